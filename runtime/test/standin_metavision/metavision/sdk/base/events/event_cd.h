// A stand-in for OpenEB's header of this name: the layout of its events (16 bytes; x, y, p, then t).
#pragma once

#include <cstdint>

namespace Metavision {

struct EventCD {
    unsigned short x;
    unsigned short y;
    short p;
    std::int64_t t;
};
static_assert(sizeof(EventCD) == 16);

} // namespace Metavision
