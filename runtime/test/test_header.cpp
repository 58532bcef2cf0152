/* The header alone, first and in C++: it compiles, and its functions link under their C names. */
#include "dae.h"

int main()
{
    return sizeof(dae_event) == 13 && dae_version() != nullptr ? 0 : 1;
}
