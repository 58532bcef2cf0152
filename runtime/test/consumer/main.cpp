#include <cstdio>

#include "dae.hpp"

int main()
try {
    dae::Model("absent.dae");
    return 1;
} catch (const dae::Error &error) {
    std::printf("%s: %s\n", dae_version(), error.what());
    return error.status() == DAE_ERROR_FILE ? 0 : 1;
}
