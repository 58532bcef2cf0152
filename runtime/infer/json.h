/* A strict JSON reader (RFC 8259) for small, untrusted documents: UTF-8, at most JSON_DEEPEST levels. Private.
 *
 * A document is an array of nodes in the order of the text. A node's children follow it, up to its `end`; in an object
 * each key is a string node right before its value. Strings and numbers stay in the text until they are asked for. */
#ifndef DAE_JSON_H
#define DAE_JSON_H

#include <stddef.h> /* size_t */
#include <stdint.h> /* int64_t, uint8_t */

#define JSON_DEEPEST 32
#define JSON_LONGEST_NUMBER 64

enum json_kind { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_node {
    enum json_kind kind;
    size_t start;  /* of a number or string in the text, without the quotes */
    size_t length;
    size_t end;    /* index of the node behind this one and its children */
};

struct json {
    const uint8_t *text;
    struct json_node *nodes; /* the first is the whole document */
    size_t count;
};

/* Most nodes a text of n bytes can have: what to allocate for json_parse. */
size_t dae_json_most_nodes(const uint8_t *text, size_t n);
/* NULL, or what is wrong; *at is then where in the text. Recursion ends at JSON_DEEPEST. */
const char *dae_json_parse(struct json *json, const uint8_t *text, size_t n, struct json_node *nodes, size_t *at);

/* Is this string equal to `wanted`? */
int dae_json_equals(const struct json *json, size_t node, const char *wanted);
/* Decode a string into `out`, of at least length + 1 bytes, zero-terminated; returns its bytes. */
size_t dae_json_string(const struct json *json, size_t node, char *out);
/* A whole number (no fraction, no exponent) that fits: 1, else 0. */
int dae_json_whole(const struct json *json, size_t node, int64_t *value);
/* Index of the value of `key` in an object; 0: it has none. *twice: it has several. */
size_t dae_json_member(const struct json *json, size_t object, const char *key, int *twice);

#endif
