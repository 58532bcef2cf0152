/* The header alone, first and in C: it needs nothing before it, and an event has the layout that Python expects. */
#include "dae.h"

int main(void)
{
    return sizeof(struct dae_event) == 13 ? 0 : 1;
}
