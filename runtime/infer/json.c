/* A recursive-descent reader with a bounded depth; everything is checked here, so that the rest may trust the nodes. */
#include "json.h"

#include <string.h> /* memcmp, strlen */

struct parser {
    struct json *json;
    size_t n;
    size_t at;
    const char *wrong;
};

size_t dae_json_most_nodes(const uint8_t *text, size_t n)
{
    size_t most = 1; /* every node but the first comes after one of these */
    for (size_t i = 0; i < n; i++) most += text[i] == '[' || text[i] == '{' || text[i] == ',' || text[i] == ':';
    return most;
}

static int complain(struct parser *parser, const char *wrong)
{
    parser->wrong = wrong;
    return 0;
}

static int peek(const struct parser *parser)
{
    return parser->at < parser->n ? parser->json->text[parser->at] : -1;
}

static void skip_space(struct parser *parser)
{
    for (int c; (c = peek(parser)) == ' ' || c == '\t' || c == '\n' || c == '\r';) parser->at++;
}

static size_t add(struct parser *parser, enum json_kind kind, size_t start)
{
    struct json *json = parser->json;
    json->nodes[json->count] = (struct json_node){kind, start, 0, json->count + 1};
    return json->count++;
}

static int is_digit(int c) { return c >= '0' && c <= '9'; }

static int digits(struct parser *parser)
{
    const size_t start = parser->at;
    while (is_digit(peek(parser))) parser->at++;
    return parser->at > start;
}

static int number(struct parser *parser)
{
    const size_t start = parser->at, node = add(parser, JSON_NUMBER, start);
    if (peek(parser) == '-') parser->at++;
    if (peek(parser) == '0') parser->at++;
    else if (!digits(parser)) return complain(parser, "not a value");
    if (peek(parser) == '.') {
        parser->at++;
        if (!digits(parser)) return complain(parser, "a number without digits after its point");
    }
    if (peek(parser) == 'e' || peek(parser) == 'E') {
        parser->at++;
        if (peek(parser) == '+' || peek(parser) == '-') parser->at++;
        if (!digits(parser)) return complain(parser, "a number without an exponent");
    }
    if (parser->at - start > JSON_LONGEST_NUMBER) return complain(parser, "a number that is too long");
    parser->json->nodes[node].length = parser->at - start;
    return 1;
}

static int hex_value(int c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hex digits; -1 where they are not. */
static int32_t hex4(const uint8_t *text, size_t left)
{
    int32_t code = 0;
    if (left < 4) return -1;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_value(text[i]);
        if (digit < 0) return -1;
        code = code << 4 | digit;
    }
    return code;
}

/* Length of the UTF-8 sequence at `text`; 0: it is none (overlong, a surrogate, too large, cut). */
static size_t utf8_length(const uint8_t *text, size_t left)
{
    const uint8_t c = text[0];
    const size_t length = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    if (length > left) return 0;
    for (size_t i = 1; i < length; i++)
        if (text[i] >> 6 != 2) return 0;
    if (c == 0xE0 && text[1] < 0xA0) return 0;
    if (c == 0xED && text[1] > 0x9F) return 0;
    if (c == 0xF0 && text[1] < 0x90) return 0;
    if (c == 0xF4 && text[1] > 0x8F) return 0;
    return length;
}

/* Length of the escape at `text`, which begins with a backslash, and the character it stands for; 0: it is none. */
static size_t escape(const uint8_t *text, size_t left, uint32_t *character)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (left < 2) return 0;
    const char *name = text[1] ? strchr(names, text[1]) : NULL;
    if (name) {
        *character = (uint8_t)values[name - names];
        return 2;
    }
    const int32_t high = text[1] == 'u' ? hex4(text + 2, left - 2) : -1;
    if (high < 0 || (high >= 0xDC00 && high < 0xE000)) return 0;
    *character = (uint32_t)high;
    if (high < 0xD800 || high >= 0xE000) return 6;
    const int32_t low = left >= 8 && text[6] == '\\' && text[7] == 'u' ? hex4(text + 8, left - 8) : -1;
    if (low < 0xDC00 || low >= 0xE000) return 0; /* half a character */
    *character = 0x10000 + ((uint32_t)(high - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
    return 12;
}

static int string(struct parser *parser)
{
    parser->at++;
    const size_t start = parser->at, node = add(parser, JSON_STRING, start);
    for (int c; (c = peek(parser)) != '"';) {
        const uint8_t *text = parser->json->text + parser->at;
        uint32_t character;
        if (c < 0) return complain(parser, "a string without an end");
        if (c < 0x20) return complain(parser, "a control character in a string");
        const size_t length = c == '\\' ? escape(text, parser->n - parser->at, &character)
                                        : utf8_length(text, parser->n - parser->at);
        if (length == 0) return complain(parser, c == '\\' ? "not an escape" : "not UTF-8");
        parser->at += length;
    }
    parser->json->nodes[node].length = parser->at - start;
    parser->at++;
    return 1;
}

static int word(struct parser *parser, const char *text, enum json_kind kind)
{
    const size_t length = strlen(text);
    if (parser->n - parser->at < length || memcmp(parser->json->text + parser->at, text, length) != 0)
        return complain(parser, "not a value");
    add(parser, kind, parser->at);
    parser->at += length;
    return 1;
}

static int value(struct parser *parser, int depth);

static int key(struct parser *parser)
{
    skip_space(parser);
    if (peek(parser) != '"') return complain(parser, "wanted a key");
    if (!string(parser)) return 0;
    skip_space(parser);
    if (peek(parser) != ':') return complain(parser, "wanted a colon");
    parser->at++;
    return 1;
}

static int container(struct parser *parser, int depth, enum json_kind kind)
{
    const int close = kind == JSON_OBJECT ? '}' : ']';
    const size_t node = add(parser, kind, parser->at);
    if (depth == JSON_DEEPEST) return complain(parser, "too deep");
    parser->at++;
    skip_space(parser);
    if (peek(parser) == close) {
        parser->at++;
        return 1;
    }
    for (;;) {
        if (kind == JSON_OBJECT && !key(parser)) return 0;
        if (!value(parser, depth + 1)) return 0;
        const int c = peek(parser);
        if (c != close && c != ',') return complain(parser, "wanted a comma, or the end of a list or object");
        parser->at++;
        if (c == close) break;
    }
    parser->json->nodes[node].end = parser->json->count;
    return 1;
}

static int value(struct parser *parser, int depth)
{
    int good;
    skip_space(parser);
    switch (peek(parser)) {
    case '{': good = container(parser, depth, JSON_OBJECT); break;
    case '[': good = container(parser, depth, JSON_ARRAY); break;
    case '"': good = string(parser); break;
    case 't': good = word(parser, "true", JSON_TRUE); break;
    case 'f': good = word(parser, "false", JSON_FALSE); break;
    case 'n': good = word(parser, "null", JSON_NULL); break;
    default: good = number(parser); break;
    }
    skip_space(parser);
    return good;
}

const char *dae_json_parse(struct json *json, const uint8_t *text, size_t n, struct json_node *nodes, size_t *at)
{
    struct parser parser = {json, n, 0, NULL};
    json->text = text;
    json->nodes = nodes;
    json->count = 0;
    if (value(&parser, 0) && parser.at < n) complain(&parser, "something behind the end");
    *at = parser.at;
    return parser.wrong;
}

static size_t put_utf8(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00 >> length & 0xFF) | c);
    return length;
}

size_t dae_json_string(const struct json *json, size_t node, char *out)
{
    const uint8_t *text = json->text + json->nodes[node].start;
    size_t written = 0;
    for (size_t at = 0, left = json->nodes[node].length; at < left;) {
        if (text[at] != '\\') {
            out[written++] = (char)text[at++];
            continue;
        }
        uint32_t character = 0;
        at += escape(text + at, left - at, &character);
        written += put_utf8(character, out + written); /* never longer than its escape */
    }
    out[written] = 0;
    return written;
}

int dae_json_equals(const struct json *json, size_t node, const char *wanted)
{
    const uint8_t *text = json->text + json->nodes[node].start;
    const size_t n = json->nodes[node].length, wanted_length = strlen(wanted);
    size_t matched = 0;
    if (json->nodes[node].kind != JSON_STRING) return 0;
    for (size_t at = 0; at < n;) {
        char bytes[4] = {(char)text[at]};
        size_t length = 1;
        uint32_t character = 0;
        if (text[at] == '\\') {
            at += escape(text + at, n - at, &character);
            length = put_utf8(character, bytes);
        } else {
            at++;
        }
        if (wanted_length - matched < length || memcmp(wanted + matched, bytes, length) != 0) return 0;
        matched += length;
    }
    return matched == wanted_length;
}

int dae_json_whole(const struct json *json, size_t node, int64_t *result)
{
    const uint8_t *text = json->text + json->nodes[node].start;
    const size_t n = json->nodes[node].length;
    const int negative = n > 0 && text[0] == '-';
    int64_t sum = 0;
    if (json->nodes[node].kind != JSON_NUMBER) return 0;
    for (size_t i = (size_t)negative; i < n; i++) {
        if (!is_digit(text[i]) || sum > (INT64_MAX - 9) / 10) return 0;
        sum = sum * 10 + (text[i] - '0');
    }
    *result = negative ? -sum : sum;
    return 1;
}

size_t dae_json_member(const struct json *json, size_t object, const char *wanted, int *twice)
{
    size_t found = 0;
    *twice = 0;
    if (json->nodes[object].kind != JSON_OBJECT) return 0;
    for (size_t node = object + 1; node < json->nodes[object].end; node = json->nodes[node + 1].end) {
        if (!dae_json_equals(json, node, wanted)) continue;
        *twice = found != 0;
        found = node + 1;
    }
    return found;
}
