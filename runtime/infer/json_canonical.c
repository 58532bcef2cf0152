/* Keys in the order of their characters, ", " and ": " between, and nothing but printable ASCII in strings. */
#include "json_canonical.h"

#include <stdio.h>  /* snprintf */
#include <string.h> /* memcmp, strchr, strlen */

struct writer {
    const struct json *json;
    char *scratch[2]; /* for a string each */
    json_put *put;
    void *data;
};

static void put_text(struct writer *writer, const char *text) { writer->put(writer->data, text, strlen(text)); }

/* UTF-8 sorts as its characters do. */
static int compare(struct writer *writer, size_t first, size_t second)
{
    const size_t a = dae_json_string(writer->json, first, writer->scratch[0]);
    const size_t b = dae_json_string(writer->json, second, writer->scratch[1]);
    const int differ = memcmp(writer->scratch[0], writer->scratch[1], a < b ? a : b);
    return differ ? differ : (a > b) - (a < b);
}

/* The first character of valid UTF-8, and its length. */
static size_t take_character(const uint8_t *text, uint32_t *character)
{
    const size_t length = text[0] < 0x80 ? 1 : text[0] < 0xE0 ? 2 : text[0] < 0xF0 ? 3 : 4;
    *character = length == 1 ? text[0] : text[0] & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) *character = *character << 6 | (text[i] & 0x3Fu);
    return length;
}

static void put_character(struct writer *writer, uint32_t c)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *found = c && c < 0x80 ? strchr(escaped, (int)c) : NULL;
    char text[13];
    if (found) snprintf(text, sizeof text, "\\%c", names[found - escaped]);
    else if (c >= ' ' && c <= '~') snprintf(text, sizeof text, "%c", (int)c);
    else if (c < 0x10000) snprintf(text, sizeof text, "\\u%04x", (unsigned)c);
    else
        snprintf(text, sizeof text, "\\u%04x\\u%04x", (unsigned)(0xD7C0 + (c >> 10)),
                 (unsigned)(0xDC00 + (c & 0x3FF)));
    put_text(writer, text);
}

static void put_string(struct writer *writer, size_t node)
{
    const size_t n = dae_json_string(writer->json, node, writer->scratch[0]);
    uint32_t character;
    put_text(writer, "\"");
    for (size_t at = 0; at < n; put_character(writer, character))
        at += take_character((const uint8_t *)writer->scratch[0] + at, &character);
    put_text(writer, "\"");
}

/* The key that comes after `last` (0: the first one); 0: there is none. */
static size_t next_key(struct writer *writer, size_t object, size_t last)
{
    const struct json_node *nodes = writer->json->nodes;
    size_t next = 0;
    for (size_t key = object + 1; key < nodes[object].end; key = nodes[key + 1].end)
        if ((!last || compare(writer, key, last) > 0) && (!next || compare(writer, key, next) < 0)) next = key;
    return next;
}

static void put_value(struct writer *writer, size_t node);

static void put_object(struct writer *writer, size_t object, const char *without)
{
    const char *between = "";
    put_text(writer, "{");
    for (size_t key = 0; (key = next_key(writer, object, key)) != 0;) {
        if (without && dae_json_equals(writer->json, key, without)) continue;
        put_text(writer, between);
        put_string(writer, key);
        put_text(writer, ": ");
        put_value(writer, key + 1);
        between = ", ";
    }
    put_text(writer, "}");
}

static void put_array(struct writer *writer, size_t array)
{
    const struct json_node *nodes = writer->json->nodes;
    put_text(writer, "[");
    for (size_t node = array + 1; node < nodes[array].end; node = nodes[node].end) {
        if (node > array + 1) put_text(writer, ", ");
        put_value(writer, node);
    }
    put_text(writer, "]");
}

static void put_value(struct writer *writer, size_t node)
{
    const struct json_node *at = &writer->json->nodes[node];
    switch (at->kind) {
    case JSON_NULL: put_text(writer, "null"); break;
    case JSON_FALSE: put_text(writer, "false"); break;
    case JSON_TRUE: put_text(writer, "true"); break;
    case JSON_NUMBER: writer->put(writer->data, (const char *)writer->json->text + at->start, at->length); break;
    case JSON_STRING: put_string(writer, node); break;
    case JSON_ARRAY: put_array(writer, node); break;
    case JSON_OBJECT: put_object(writer, node, NULL); break;
    }
}

void dae_json_canonical(const struct json *json, const char *without, char *scratch, json_put *put, void *data)
{
    size_t longest = 0;
    for (size_t i = 0; i < json->count; i++)
        if (json->nodes[i].length > longest) longest = json->nodes[i].length;
    struct writer writer = {json, {scratch, scratch + longest + 1}, put, data};
    if (json->nodes[0].kind == JSON_OBJECT) put_object(&writer, 0, without);
    else put_value(&writer, 0);
}
