/* A JSON document as Python writes it: json.dumps(document, sort_keys=True). Private.
 *
 * Numbers stay as they are in the text: a text that Python wrote has them in that form. */
#ifndef DAE_JSON_CANONICAL_H
#define DAE_JSON_CANONICAL_H

#include "json.h"

typedef void json_put(void *data, const char *text, size_t n);

/* Put the document piece by piece, without one key of its top (NULL: whole). `scratch`: 2 bytes for each of the text's,
 * and 2 more. */
void dae_json_canonical(const struct json *json, const char *without, char *scratch, json_put *put, void *data);

#endif
