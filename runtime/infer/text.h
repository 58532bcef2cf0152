/* One line of error text, kept in the object it is about. Private. */
#ifndef DAE_TEXT_H
#define DAE_TEXT_H

struct text {
    char line[512];
};

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
/* Say what is wrong, and return `status`: "return dae_fail(error, DAE_ERROR_FILE, ...)". Whatever does not print in one
 * line becomes a space, and what is too long is cut. */
int dae_fail(struct text *text, int status, const char *format, ...);

#endif
