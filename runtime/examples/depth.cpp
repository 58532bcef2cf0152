// Events of a recording to depth in C++20: depth BUNDLE RECORDING.raw OUT.f32 [BACKEND [LIBRARY [THREADS]]]
// The same as depth.c, and the same bytes in OUT.f32.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <vector>

#include "dae.hpp"
#include "raw_file.h"

namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE *)>;

dae::Model load(int argc, char **argv)
{
    dae_model_params params = dae_model_default_params();
    params.path = argv[1];
    if (argc > 4 && argv[4][0]) params.backend = argv[4];
    if (argc > 5 && argv[5][0]) params.library = argv[5];
    if (argc > 6) params.threads = static_cast<std::uint32_t>(std::strtoul(argv[6], nullptr, 10));
    return dae::Model(params);
}

void run(std::FILE *in, const raw_header &header, const dae::Model &model, std::ofstream &out)
{
    dae::Decoder decoder(static_cast<dae_format>(header.format), model.info().width, model.info().height);
    dae::Stream stream(model);
    std::vector<std::uint8_t> bytes(65536);
    std::vector<dae_event> buffer(65536);
    auto write = [&](std::span<const float> depth, const dae::Depth &about) {
        out.write(reinterpret_cast<const char *>(depth.data()), static_cast<std::streamsize>(depth.size_bytes()));
        std::printf("%10lld us%s\n", static_cast<long long>(about.t_us), about.stale ? "  stale" : "");
    };
    auto push = [&](std::span<const dae_event> events) {
        if (stream.push(events, write) < 0) throw dae::Error(DAE_ERROR_ENGINE, stream.error());
    };
    while (const std::size_t n = std::fread(bytes.data(), 1, bytes.size(), in))
        decoder.decode(std::span(bytes).first(n), buffer, push);
    stream.flush(write);
}

} // namespace

int main(int argc, char **argv)
try {
    raw_header header;
    if (argc < 4 || argc > 7) {
        std::fprintf(stderr, "usage: %s BUNDLE RECORDING.raw OUT.f32 [BACKEND [LIBRARY [THREADS]]]\n", argv[0]);
        return 2;
    }
    const dae::Model model = load(argc, argv);
    const File in(std::fopen(argv[2], "rb"), std::fclose);
    if (!in || !raw_read_header(in.get(), &header)) throw dae::Error(DAE_ERROR_FILE, "the recording cannot be read");
    if (header.width != model.info().width || header.height != model.info().height)
        throw dae::Error(DAE_ERROR_ARGUMENT, "the recording's sensor is not the bundle's");
    std::ofstream out(argv[3], std::ios::binary);
    run(in.get(), header, model, out);
    return out.flush() ? 0 : 1;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
