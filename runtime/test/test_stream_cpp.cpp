// dae.hpp: what frees itself, what throws, and what a failing engine looks like.
#undef NDEBUG
#include <cassert>
#include <cstring>
#include <type_traits>
#include <vector>

#include "dae.hpp"

extern "C" {
#include "small_bundle.h"
}

namespace {

struct Engine {
    int calls = 0;
    int fails_at = -1;
};

int infer(void *data, const dae_inference *in)
{
    auto &engine = *static_cast<Engine *>(data);
    std::memset(in->state_out[0], 0, 8);
    std::memset(in->state_out[1], 0, 6);
    for (int i = 0; i < SMALL_PIXELS; i++) in->depth[i] = static_cast<float>(engine.calls * 100 + i);
    return engine.calls++ == engine.fails_at ? 1 : 0;
}

dae::Model load(const small_bundle &bundle, Engine &engine)
{
    dae_model_params params = dae_model_default_params();
    params.path = bundle.path;
    params.infer = infer;
    params.infer_data = &engine;
    return dae::Model(params);
}

// Windows of 100 us with one event each; the last one is still open.
std::vector<dae_event> events_of(int windows)
{
    std::vector<dae_event> events;
    for (int i = 0; i <= windows; i++) events.push_back({i * 100, 1, 1, 1});
    return events;
}

void every_window_is_handed_over(const small_bundle &bundle)
{
    Engine engine;
    dae::Stream stream(load(bundle, engine)); // the model lives on in the stream
    std::vector<float> firsts;
    auto take = [&](std::span<const float> depth, const dae::Depth &about) {
        assert(depth.size() == SMALL_PIXELS && !about.stale);
        firsts.push_back(depth[0]);
    };
    assert(stream.push(events_of(3), take) == DAE_OK);
    assert((firsts == std::vector<float>{0, 100, 200}));
    assert(stream.flush(take) == DAE_OK && firsts.back() == 300 && stream.values()[1] == 301);
    assert(stream.health().windows == 4 && stream.error()[0] == 0);
    dae::Stream moved = std::move(stream);
    moved.reset();
    assert(moved.health().windows == 0 && moved.values()[1] == 0);
}

void cd_events_and_bytes_go_in_too(const small_bundle &bundle)
{
    Engine engine;
    const dae::Model model = load(bundle, engine);
    std::vector<std::int64_t> ends;
    auto take = [&](std::span<const float>, const dae::Depth &about) { ends.push_back(about.t_us); };
    const dae_event_cd cd[] = {{1, 1, 1, 0}, {2, 1, -1, 150}, {3, 2, 1, 210}};
    dae::Stream stream(model);
    assert(stream.push(std::span(cd), take) == DAE_OK && (ends == std::vector<std::int64_t>{100, 200}));
    dae::Decoder decoder(DAE_FORMAT_EVT2, SMALL_WIDTH, SMALL_HEIGHT);
    const std::uint32_t words[] = {0x80000000, 0x10000000 | 1 << 11 | 1, 0x80000002, 0x10000000 | 2 << 11 | 1};
    dae::Stream other(model);
    const auto bytes = std::span(reinterpret_cast<const std::uint8_t *>(words), sizeof words);
    assert(other.push_bytes(decoder, bytes, take) == DAE_OK && ends.back() == 100 && other.health().events == 2);
}

void a_failing_engine_is_a_status_and_a_stale_depth(const small_bundle &bundle)
{
    Engine engine{0, 1};
    dae::Stream stream(load(bundle, engine));
    std::vector<int> stale;
    auto take = [&](std::span<const float>, const dae::Depth &about) { stale.push_back(about.stale); };
    assert(stream.push(events_of(3), take) == DAE_ERROR_ENGINE);
    assert((stale == std::vector<int>{0, 1, 0}) && std::strstr(stream.error(), "answered 1"));
    assert(stream.advance(500, take) == DAE_OK && (stale == std::vector<int>{0, 1, 0, 0, 1}));
}

void what_cannot_be_made_throws_and_says_why(const small_bundle &bundle)
{
    try {
        dae::Model("/nowhere.dae");
        assert(false);
    } catch (const dae::Error &error) {
        assert(error.status() == DAE_ERROR_FILE && std::strstr(error.what(), "/nowhere.dae: no such bundle"));
    }
    Engine engine;
    const dae::Model model = load(bundle, engine);
    dae_stream_params params = dae_stream_default_params();
    params.hop_us = -1;
    try {
        dae::Stream(model, params);
        assert(false);
    } catch (const dae::Error &error) {
        assert(error.status() == DAE_ERROR_ARGUMENT);
    }
    try {
        dae::Decoder(DAE_FORMAT_EVT3, 0, 0);
        assert(false);
    } catch (const dae::Error &error) {
        assert(error.status() == DAE_ERROR_ARGUMENT);
    }
}

void bytes_become_events()
{
    dae::Decoder decoder(DAE_FORMAT_EVT2, 640, 480);
    const std::uint32_t words[] = {0x80000001, 0x10000000 | 3 << 22 | 7 << 11 | 9};
    std::vector<dae_event> buffer(DAE_DECODER_MIN_CAPACITY), seen;
    const auto bytes = std::span(reinterpret_cast<const std::uint8_t *>(words), sizeof words);
    auto take = [&](std::span<const dae_event> events) { seen.insert(seen.end(), events.begin(), events.end()); };
    assert(decoder.decode(bytes, buffer, take) == DAE_OK && seen.size() == 1);
    assert(seen[0].x == 7 && seen[0].y == 9 && seen[0].t == 64 + 3 && seen[0].on == 1);
    assert(decoder.counters().events == 1);
    assert(decoder.decode(bytes, std::span<dae_event>(buffer).first(1), take) == DAE_ERROR_BUFFER);
}

static_assert(!std::is_copy_constructible_v<dae::Stream> && std::is_nothrow_move_constructible_v<dae::Stream>);
static_assert(std::is_copy_constructible_v<dae::Model>);

} // namespace

int main()
{
    small_bundle bundle;
    small_create(&bundle);
    every_window_is_handed_over(bundle);
    cd_events_and_bytes_go_in_too(bundle);
    a_failing_engine_is_a_status_and_a_stale_depth(bundle);
    what_cannot_be_made_throws_and_says_why(bundle);
    bytes_become_events();
    small_remove(&bundle);
    return 0;
}
