/* Error text: formatted once, where the error is seen. */
#include "text.h"

#include <stdarg.h> /* va_list */
#include <stdio.h>  /* vsnprintf */

int dae_fail(struct text *text, int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (vsnprintf(text->line, sizeof text->line, format, arguments) < 0) text->line[0] = 0;
    va_end(arguments);
    for (char *at = text->line; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F) *at = ' ';
    return status;
}
