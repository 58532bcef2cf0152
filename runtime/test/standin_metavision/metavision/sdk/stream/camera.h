// A stand-in for OpenEB's header of this name: no camera, no SDK. A recording plays in a thread of its own, by way of
// dae_decoder, with OpenEB's habit of many small callbacks; a camera that is none throws. Only what the example uses.
#pragma once

#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dae.hpp"
#include "raw_file.h"

#include "../base/events/event_cd.h"

namespace Metavision {

class CameraException : public std::runtime_error {
    using std::runtime_error::runtime_error;
};
enum class CameraStatus : short { STARTED = 0, STOPPED = 1 };

struct FileConfigHints {
    FileConfigHints &real_time_playback(bool) { return *this; }
};

struct I_Geometry {
    int width = 0, height = 0;
    int get_width() const { return width; }
    int get_height() const { return height; }
};

class CD {
  public:
    void add_callback(std::function<void(const EventCD *, const EventCD *)> callback) { callbacks.push_back(callback); }
    std::vector<std::function<void(const EventCD *, const EventCD *)>> callbacks;
};

class Camera {
  public:
    static Camera from_first_available() { throw CameraException("no camera: this is a stand-in"); }
    static Camera from_file(const std::filesystem::path &path, const FileConfigHints & = FileConfigHints())
    {
        Camera camera;
        camera.self_->file.reset(std::fopen(path.c_str(), "rb"));
        raw_header &header = camera.self_->header;
        if (!camera.self_->file || !raw_read_header(camera.self_->file.get(), &header))
            throw CameraException("cannot open " + path.string());
        camera.self_->geometry = {static_cast<int>(header.width), static_cast<int>(header.height)};
        return camera;
    }

    CD &cd() { return self_->cd; }
    const I_Geometry &geometry() const { return self_->geometry; }
    void add_runtime_error_callback(std::function<void(const CameraException &)>) {}
    void add_status_change_callback(std::function<void(const CameraStatus &)> callback) { self_->on_status = callback; }
    bool start()
    {
        self_->thread = std::thread([self = self_.get()] { self->play(); });
        return true;
    }
    bool stop()
    {
        if (self_->thread.joinable()) self_->thread.join();
        return true;
    }

  private:
    struct Self {
        struct Close {
            void operator()(std::FILE *file) const { std::fclose(file); }
        };
        std::unique_ptr<std::FILE, Close> file;
        raw_header header;
        I_Geometry geometry;
        CD cd;
        std::function<void(const CameraStatus &)> on_status;
        std::thread thread;

        void play()
        {
            dae::Decoder decoder(static_cast<dae_format>(header.format), static_cast<std::uint16_t>(header.width),
                                 static_cast<std::uint16_t>(header.height));
            std::vector<std::uint8_t> bytes(997);
            std::vector<dae_event> buffer(320);
            std::vector<EventCD> events;
            while (const std::size_t n = std::fread(bytes.data(), 1, bytes.size(), file.get()))
                decoder.decode(std::span(bytes).first(n), buffer, [&](std::span<const dae_event> some) {
                    events.clear();
                    for (const dae_event &event : some) events.push_back({event.x, event.y, short(event.on), event.t});
                    for (auto &callback : cd.callbacks) callback(events.data(), events.data() + events.size());
                });
            if (on_status) on_status(CameraStatus::STOPPED);
        }
    };

    std::unique_ptr<Self> self_ = std::make_unique<Self>();
};

} // namespace Metavision
