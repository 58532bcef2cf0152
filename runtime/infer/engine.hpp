/* The library's private C headers for its C++ files, which are compiled without exceptions. Private. */
#ifndef DAE_ENGINE_HPP
#define DAE_ENGINE_HPP

#include <cstddef>
#include <cstdint>

extern "C" {
#include "engine.h"
#include "plan.h"
}

#endif
