/* A Prophesee RAW recording in small: the header's format and sensor, then bytes for dae_decoder.
 *
 * It knows "% format NAME;width=W;height=H", "% evt N.N" and "% geometry WxH", and asks for files that say both; the
 * Python package reads more. */
#ifndef RAW_FILE_H
#define RAW_FILE_H

#include <stdio.h>  /* FILE */
#include <stdlib.h> /* strtoul */
#include <string.h> /* strcmp, strncmp, strstr */

#include "dae.h"

#define RAW_LONGEST_LINE 1024

struct raw_header {
    int format; /* enum dae_format; 0: not said */
    unsigned long width, height;
};

static inline int raw_format_of(const char *name)
{
    static const struct {
        const char *name;
        enum dae_format format;
    } formats[] = {{"EVT21", DAE_FORMAT_EVT21}, {"EVT2", DAE_FORMAT_EVT2}, {"EVT3", DAE_FORMAT_EVT3},
                   {"EVT4", DAE_FORMAT_EVT4},   {"2.0", DAE_FORMAT_EVT2},  {"2.1", DAE_FORMAT_EVT21},
                   {"3.0", DAE_FORMAT_EVT3},    {"4.0", DAE_FORMAT_EVT4}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const size_t length = strlen(formats[i].name);
        if (strncmp(name, formats[i].name, length) == 0 && strchr("; \r\n", name[length])) return formats[i].format;
    }
    return 0;
}

static inline void raw_read_line(struct raw_header *header, const char *line)
{
    const char *width = strstr(line, "width="), *height = strstr(line, "height=");
    char *after;
    if (strncmp(line, "% format ", 9) == 0) header->format = raw_format_of(line + 9);
    if (strncmp(line, "% evt ", 6) == 0 && !header->format) header->format = raw_format_of(line + 6);
    if (strncmp(line, "% format ", 9) == 0 && width && height) {
        header->width = strtoul(width + 6, NULL, 10);
        header->height = strtoul(height + 7, NULL, 10);
    }
    if (strncmp(line, "% geometry ", 11) == 0) {
        header->width = strtoul(line + 11, &after, 10);
        header->height = *after == 'x' ? strtoul(after + 1, NULL, 10) : 0;
    }
    if (strstr(line, "endianness=legacy") && header->format == DAE_FORMAT_EVT21)
        header->format = DAE_FORMAT_EVT21_LEGACY;
}

/* Read the header and leave the file at the first byte of data. 1: format and sensor are known. */
static inline int raw_read_header(FILE *file, struct raw_header *header)
{
    char line[RAW_LONGEST_LINE];
    memset(header, 0, sizeof *header);
    for (;;) {
        const long start = ftell(file);
        if (!fgets(line, sizeof line, file) || strncmp(line, "% ", 2) != 0 || !strchr(line, '\n')) {
            fseek(file, start, SEEK_SET);
            break;
        }
        raw_read_line(header, line);
        if (strncmp(line, "% end", 5) == 0) break;
    }
    return header->format && header->width >= 1 && header->width <= 65535 && header->height >= 1 &&
           header->height <= 65535;
}

#endif
