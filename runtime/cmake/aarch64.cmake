# Cross-compilation for 64-bit ARM with Debian's tools: apt-get install gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user
# Tests run in qemu (CMAKE_CROSSCOMPILING_EMULATOR); on a robot's own computer nothing of this is needed.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
find_program(DAE_AARCH64_CXX aarch64-linux-gnu-g++)
set(CMAKE_CXX_COMPILER ${DAE_AARCH64_CXX}) # not found: the C++ tests are left out
find_program(DAE_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
set(CMAKE_CROSSCOMPILING_EMULATOR ${DAE_QEMU_AARCH64} -L /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
