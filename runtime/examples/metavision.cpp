// A Prophesee camera by way of OpenEB or Metavision SDK 5, to depth: metavision BUNDLE [RECORDING.raw [BACKEND [LIBRARY]]]
//
// The SDK calls back in a thread of its own, which must not wait for a network: it only puts events in a mailbox. The
// main thread takes them out and runs the network; where it falls behind, windows are skipped and counted.
#include <metavision/sdk/stream/camera.h>

#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "dae.hpp"
#include "mailbox.hpp"

namespace {

constexpr std::size_t most_waiting = 1 << 20; // events: a fifth of a second of a busy HD sensor

dae_event converted(const Metavision::EventCD &event)
{
    return {event.t, event.x, event.y, static_cast<std::uint8_t>(event.p > 0)};
}

dae::Model load(int argc, char **argv)
{
    dae_model_params params = dae_model_default_params();
    params.path = argv[1];
    if (argc > 3 && argv[3][0]) params.backend = argv[3];
    if (argc > 4) params.library = argv[4];
    return dae::Model(params);
}

Metavision::Camera open_camera(const std::string &recording)
{
    if (recording.empty()) return Metavision::Camera::from_first_available();
    return Metavision::Camera::from_file(recording, Metavision::FileConfigHints().real_time_playback(false));
}

void check_sensor(const Metavision::Camera &camera, const dae::ModelInfo &info)
{
    if (camera.geometry().get_width() != info.width || camera.geometry().get_height() != info.height)
        throw dae::Error(DAE_ERROR_ARGUMENT, "the camera's sensor is not the bundle's");
}

// Left, middle and right of the centre row: enough to see that it lives.
void show(std::span<const float> depth, const dae::Depth &about, const dae::ModelInfo &info)
{
    const float *row = depth.data() + std::size_t{info.depth_width} * (info.depth_height / 2);
    std::printf("%10lld us  %8llu events  %8.4f %8.4f %8.4f %s%s\n", static_cast<long long>(about.t_us),
                static_cast<unsigned long long>(about.events), row[0], row[info.depth_width / 2],
                row[info.depth_width - 1], info.unit, about.stale ? "  stale" : "");
}

void run(const dae::Model &model, Mailbox &mailbox, bool live)
{
    dae_stream_params params = dae_stream_default_params();
    params.newest_only = live;
    dae::Stream stream(model, params);
    std::vector<dae_event> events;
    const dae::ModelInfo info = model.info();
    auto show_each = [&](std::span<const float> depth, const dae::Depth &about) { show(depth, about, info); };
    while (mailbox.take(events))
        if (stream.push(events, show_each) < 0) std::fprintf(stderr, "%s\n", stream.error());
    stream.flush(show_each);
    const dae::Health health = stream.health();
    std::printf("%llu windows, %llu inferred, %llu events, %zu events and %llu windows dropped\n",
                static_cast<unsigned long long>(health.windows), static_cast<unsigned long long>(health.inferred),
                static_cast<unsigned long long>(health.events), mailbox.dropped(),
                static_cast<unsigned long long>(health.dropped_windows));
}

} // namespace

int main(int argc, char **argv)
try {
    if (argc < 2 || argc > 5) {
        std::fprintf(stderr, "usage: %s BUNDLE [RECORDING.raw [BACKEND [LIBRARY]]]\n", argv[0]);
        return 2;
    }
    const std::string recording = argc > 2 ? argv[2] : "";
    const dae::Model model = load(argc, argv);
    Metavision::Camera camera = open_camera(recording);
    check_sensor(camera, model.info());
    Mailbox mailbox(most_waiting, !recording.empty());
    camera.cd().add_callback([&](const Metavision::EventCD *begin, const Metavision::EventCD *end) {
        mailbox.put(std::span(begin, end), converted);
    });
    camera.add_runtime_error_callback([&](const Metavision::CameraException &) { mailbox.close(); });
    camera.add_status_change_callback([&](const Metavision::CameraStatus &status) {
        if (status == Metavision::CameraStatus::STOPPED) mailbox.close();
    });
    if (!camera.start()) throw dae::Error(DAE_ERROR_FILE, "the camera does not start");
    run(model, mailbox, recording.empty());
    camera.stop();
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
