/* dae.hpp: dae.h and dae_stream.h for C++20. Objects that free themselves, spans, exceptions where nothing runs yet.
 *
 *     dae::Model model("student.dae");
 *     dae::Stream stream(model);
 *     stream.push(events, [](std::span<const float> depth, const dae::Depth &about) { ... });
 *
 * Constructors throw dae::Error, which says what is wrong, and std::bad_alloc. What runs with each packet throws
 * nothing of its own: a failing engine is a status, and its window comes as a stale depth. Threads: as in dae_stream.h. A
 * stream keeps its model alive, so the order of destruction does not matter. */
#ifndef DAE_HPP
#define DAE_HPP

#if __cplusplus < 202002L
#error "dae.hpp needs C++20 (std::span)"
#endif

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "dae_stream.h"

namespace dae {

/* Why something could not be made; `status()` is of enum dae_status or dae_stream_status. */
class Error : public std::runtime_error {
  public:
    Error(int status, const std::string &what) : std::runtime_error(what), status_(status) {}
    int status() const noexcept { return status_; }

  private:
    int status_;
};

using DecoderCounters = struct ::dae_decoder_counters; /* C has functions of the same names */
using ModelInfo = struct ::dae_model_info;
using Health = struct ::dae_stream_health;
using Depth = struct ::dae_depth;

namespace detail {
inline void check(int status, const char *what)
{
    if (status == DAE_ERROR_MEMORY) throw std::bad_alloc();
    if (status < 0) throw Error(status, std::string(what) + ": " + dae_stream_status_str(status));
}
} // namespace detail

/* Bytes of a recording or a camera to events. */
class Decoder {
  public:
    Decoder(dae_format format, std::uint16_t width, std::uint16_t height)
    {
        dae_decoder_params params = dae_decoder_default_params();
        params.format = format;
        params.width = width;
        params.height = height;
        dae_decoder *made = nullptr;
        detail::check(dae_decoder_init(&params, &made), "decoder");
        decoder_.reset(made);
    }

    /* Decode all bytes by way of `buffer`, of at least DAE_DECODER_MIN_CAPACITY events; `each` gets the events, a
     * buffer at a time. */
    template <class Each> int decode(std::span<const std::uint8_t> bytes, std::span<dae_event> buffer, Each &&each)
    {
        while (!bytes.empty()) {
            std::size_t used = 0, count = 0;
            const int status = dae_decoder_decode(decoder_.get(), bytes.data(), bytes.size(), &used, buffer.data(),
                                                  buffer.size(), &count);
            if (status < 0) return status;
            bytes = bytes.subspan(used);
            if (count) each(std::span<const dae_event>(buffer.first(count)));
        }
        return DAE_OK;
    }

    void reset() noexcept { dae_decoder_reset(decoder_.get()); }
    dae_decoder *get() const noexcept { return decoder_.get(); }
    DecoderCounters counters() const noexcept
    {
        DecoderCounters counters;
        ::dae_decoder_counters(decoder_.get(), &counters);
        return counters;
    }

  private:
    struct Free {
        void operator()(dae_decoder *decoder) const noexcept { dae_decoder_free(decoder); }
    };
    std::unique_ptr<dae_decoder, Free> decoder_;
};

/* A bundle in an engine: immutable, shared by streams and threads. Copies are the same model. */
class Model {
  public:
    explicit Model(const std::string &path) : Model(with_path(path)) {}

    explicit Model(const dae_model_params &params)
    {
        dae_model *made = nullptr;
        const int status = dae_model_load(&params, &made);
        model_ = std::shared_ptr<const dae_model>(made, [](const dae_model *model) {
            dae_model_free(const_cast<dae_model *>(model));
        });
        if (status == DAE_ERROR_MEMORY) throw std::bad_alloc();
        if (status < 0) throw Error(status, dae_model_error(made));
    }

    ModelInfo info() const noexcept
    {
        ModelInfo info;
        ::dae_model_info(model_.get(), &info);
        return info;
    }

    const std::shared_ptr<const dae_model> &get() const noexcept { return model_; }

  private:
    static dae_model_params with_path(const std::string &path)
    {
        dae_model_params params = dae_model_default_params();
        params.path = path.c_str();
        return params;
    }

    std::shared_ptr<const dae_model> model_;
};

/* One camera's events to depth. */
class Stream {
  public:
    explicit Stream(const Model &model, const dae_stream_params &params = dae_stream_default_params())
        : model_(model.get())
    {
        dae_stream *made = nullptr;
        const ModelInfo info = model.info();
        detail::check(dae_stream_init(model_.get(), &params, &made), "stream");
        stream_.reset(made);
        count_ = std::size_t{info.depth_width} * info.depth_height;
    }

    /* Take all events. `each` gets every window's depth, valid until it returns, and what is said of it.
     * DAE_OK, or DAE_ERROR_ENGINE: in at least one window the engine failed (see error()); the others are right. */
    template <class Each> int push(const dae_events &events, Each &&each)
    {
        std::size_t offset = 0, used = 0;
        int worst = DAE_OK;
        while (hand_over(dae_stream_push_events(stream_.get(), &events, offset, &used), each, worst)) offset += used;
        return worst;
    }
    template <class Each> int push(std::span<const dae_event> events, Each &&each)
    {
        return push(dae_events_packed(events.data(), events.size()), each);
    }
    template <class Each> int push(std::span<const dae_event_cd> events, Each &&each)
    {
        return push(dae_events_cd(events.data(), events.size()), each);
    }

    /* Bytes, with a decoder for this stream alone. */
    template <class Each> int push_bytes(Decoder &decoder, std::span<const std::uint8_t> bytes, Each &&each)
    {
        int worst = DAE_OK;
        for (;;) {
            std::size_t used = 0;
            const int status =
                dae_stream_push_bytes(stream_.get(), decoder.get(), bytes.data(), bytes.size(), &used);
            bytes = bytes.subspan(used);
            if (!hand_over(status, each, worst)) return worst;
        }
    }

    /* Time has reached t_us without further events. */
    template <class Each> int advance(std::int64_t t_us, Each &&each)
    {
        int worst = DAE_OK;
        while (hand_over(dae_stream_advance(stream_.get(), t_us), each, worst)) {}
        return worst;
    }

    /* End of the recording: the last, unfinished window. */
    template <class Each> int flush(Each &&each)
    {
        int worst = DAE_OK;
        hand_over(dae_stream_flush(stream_.get()), each, worst);
        return worst;
    }

    void reset() noexcept { dae_stream_reset(stream_.get()); }
    /* The last depth; zeros before the first. Valid until the stream moves on. */
    std::span<const float> values() const noexcept { return {dae_stream_values(stream_.get()), count_}; }
    const char *error() const noexcept { return dae_stream_error(stream_.get()); }
    Health health() const noexcept
    {
        Health health;
        ::dae_stream_health(stream_.get(), &health);
        return health;
    }

  private:
    /* Was it a window? Then its depth is handed over, failed or not. */
    template <class Each> bool hand_over(int status, Each &each, int &worst)
    {
        if (status < 0) worst = status;
        if (status != DAE_DEPTH && status != DAE_ERROR_ENGINE) return false;
        Depth about;
        dae_stream_depth(stream_.get(), nullptr, 0, &about);
        each(values(), std::as_const(about));
        return true;
    }

    struct Free {
        void operator()(dae_stream *stream) const noexcept { dae_stream_free(stream); }
    };
    std::shared_ptr<const dae_model> model_; /* freed after the stream: members go in reverse order */
    std::unique_ptr<dae_stream, Free> stream_;
    std::size_t count_ = 0;
};

} // namespace dae
#endif
