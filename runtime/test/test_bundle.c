/* The bundle reader: JSON, SHA-256, manifests that are in order, and ones that are not. That Python's reader has the
 * same verdict is tested elsewhere (tests/test_embedding_bundle.py). */
#define _POSIX_C_SOURCE 200809L
#undef NDEBUG
#include <assert.h>
#include <stdint.h>

#include "bundle.h"
#include "finite.h"
#include "json.h"
#include "sha256.h"
#include "small_bundle.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char *parse(const char *text, size_t n, struct json *json, struct json_node *nodes, size_t most)
{
    size_t at;
    assert(dae_json_most_nodes((const uint8_t *)text, n) <= most);
    return dae_json_parse(json, (const uint8_t *)text, n, nodes, &at);
}

static int is_json(const char *text)
{
    struct json_node nodes[256];
    struct json json;
    return parse(text, strlen(text), &json, nodes, COUNT(nodes)) == NULL;
}

static void json_of_the_standard_is_read(void)
{
    static const char *const good[] = {"null", " true\n", "[]", "{}", "-0", "1.5e+3", "[1,2 , {\"a\":[false]}]", "\"\"",
                                       "\"\\u0000\\ud83d\\ude00\\\\\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
                                       "{\"\":{\"\":\"\"}}"};
    for (size_t i = 0; i < COUNT(good); i++) assert(is_json(good[i]));
}

static void json_that_is_none_is_refused(void)
{
    static const char *const bad[] = {"", " ", "nul", "tru", "[", "]", "[1,]", "[1 2]", "{,}", "{\"a\"}", "{\"a\":}",
                                      "{\"a\":1,}", "{1:2}", "01", "+1", "1.", ".5", "1e", "--1", "NaN", "Infinity", "0x1",
                                      "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"", "\"\t\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
                                      "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "1 2", "[] x", "'a'", "\xef\xbb\xbf{}"};
    for (size_t i = 0; i < COUNT(bad); i++) assert(!is_json(bad[i]));
}

static void depth_and_length_have_limits(void)
{
    char text[200], number[JSON_LONGEST_NUMBER + 2];
    memset(text, '[', sizeof text);
    memset(text + JSON_DEEPEST, ']', JSON_DEEPEST);
    text[2 * JSON_DEEPEST] = 0;
    assert(is_json(text));
    memset(text, '[', sizeof text);
    memset(text + JSON_DEEPEST + 1, ']', JSON_DEEPEST + 1);
    text[2 * JSON_DEEPEST + 2] = 0;
    assert(!is_json(text));
    memset(number, '9', sizeof number);
    number[JSON_LONGEST_NUMBER] = 0;
    assert(is_json(number));
    number[JSON_LONGEST_NUMBER] = '9';
    number[JSON_LONGEST_NUMBER + 1] = 0;
    assert(!is_json(number));
}

static void values_come_out_as_they_went_in(void)
{
    static const char text[] = "{\"k\\u0065y\": \"a\\n\\u00e9\\u20ac\\ud83d\\ude00\", \"n\": -12, \"big\": 9223372036854775808,"
                               "\"f\": 1.0, \"twice\": 1, \"twice\": 2}";
    struct json_node nodes[64];
    struct json json;
    char out[64];
    int64_t whole = 0;
    int twice;
    assert(!parse(text, strlen(text), &json, nodes, COUNT(nodes)));
    const size_t key = dae_json_member(&json, 0, "key", &twice);
    assert(key && !twice && dae_json_equals(&json, key, "a\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"));
    assert(dae_json_string(&json, key, out) == 11 && strcmp(out, "a\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == 0);
    assert(!dae_json_equals(&json, key, "a") && !dae_json_equals(&json, key, "") && !dae_json_equals(&json, 0, ""));
    assert(dae_json_whole(&json, dae_json_member(&json, 0, "n", &twice), &whole) && whole == -12);
    assert(!dae_json_whole(&json, dae_json_member(&json, 0, "big", &twice), &whole));
    assert(!dae_json_whole(&json, dae_json_member(&json, 0, "f", &twice), &whole));
    assert(dae_json_member(&json, 0, "twice", &twice) && twice);
    assert(!dae_json_member(&json, 0, "absent", &twice) && !twice);
}

static void hash(const char *text, size_t repeats, const char *wanted)
{
    struct sha256 state;
    char hex[65];
    dae_sha256_init(&state);
    for (size_t i = 0; i < repeats; i++) dae_sha256_update(&state, (const uint8_t *)text, strlen(text));
    dae_sha256_hex(&state, hex);
    assert(strcmp(hex, wanted) == 0);
}

/* The examples of FIPS 180-4, and one of a million letters. */
static void hashes_are_those_of_the_standard(void)
{
    hash("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    hash("aaaaaaaaaa", 100000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void the_small_manifest_is_read(void)
{
    static struct bundle bundle;
    struct text error;
    const char *text = SMALL_MANIFEST;
    assert(dae_bundle_parse(&bundle, "x.dae", (const uint8_t *)text, strlen(text), &error) == DAE_OK);
    assert(bundle.width == 5 && bundle.height == 3 && bundle.depth_width == 5 && bundle.depth_height == 3);
    assert(bundle.window_us == 100 && bundle.trained && bundle.passed && !bundle.frames && !bundle.voxel_bins);
    assert(bundle.state_count == 2 && strcmp(bundle.states[0].input, "state_in.layer1.hidden") == 0);
    assert(strcmp(bundle.states[1].output, "state_out.layer1.cell") == 0 && bundle.states[1].is_half);
    assert(bundle.states[0].bytes == 8 && bundle.states[1].bytes == 6 && bundle.states[1].rank == 1);
    assert(strcmp(bundle.unit, "m") == 0 && bundle.file_count == 1 && bundle.files[0].bytes == 11);
    dae_bundle_free(&bundle);
}

static int read_changed(const char *from, const char *to, struct text *error)
{
    static struct bundle bundle;
    char text[2048];
    const char *at = strstr(SMALL_MANIFEST, from);
    assert(at);
    const size_t before = (size_t)(at - SMALL_MANIFEST);
    snprintf(text, sizeof text, "%.*s%s%s", (int)before, SMALL_MANIFEST, to, at + strlen(from));
    const int status = dae_bundle_parse(&bundle, "x.dae", (const uint8_t *)text, strlen(text), error);
    if (status == DAE_OK) dae_bundle_free(&bundle);
    return status;
}

static void what_is_wrong_is_named(void)
{
    static const char *const table[][3] = {
        {"\"version\": 1", "\"version\": 2", "version: wanted"},
        {"dae-bundle", "other", "format: wanted dae-bundle, got 'other'"},
        {"\"trained\": true", "\"trained\": 1", "weights.trained: wanted true or false"},
        {"\"files\": {\"model.onnx\"", "\"files\": {\"../model.onnx\"", "'../model.onnx' is not a plain file name"},
        {"\"files\": {\"model.onnx\"", "\"files\": {\".hidden\"", "is not a plain file name"},
        {"\"files\": {\"model.onnx\"", "\"files\": {\"\"", "is not a plain file name"},
        {"\"files\": {\"model.onnx\"", "\"files\": {\"a\\u0000\"", "a zero byte"},
        {"\"file\": \"model.onnx\"", "\"file\": \"other\"", "engine.file is not among the files"},
        {"\"bytes\": 11", "\"bytes\": 1.5", "wanted bytes and sha256"},
        {"\"sensor\": [5, 3]", "\"sensor\": [5, 3, 1]", "input.sensor: wanted 2 sizes, got 3"},
        {"\"sensor\": [5, 3]", "\"sensor\": [5, 70000]", "at most 65535 pixels"},
        {"\"sensor\": [5, 3]", "\"sensor\": [5, true]", "input.sensor: wanted"},
        {"\"window_us\": 100", "\"window_us\": 0", "input.window_us: wanted"},
        {"\"window_us\": 100", "\"window_us\": 1e2", "input.window_us: wanted"},
        {"\"black\"", "\"red\"", "wanted black or white"},
        {"\"tencode\"", "\"image\"", "input.encoding: wanted tencode"},
        {"\"tencode\"", "\"voxel_grid\", \"bins\": 0", "input.bins: wanted"},
        {"\"float16\"", "\"int8\"", "dtype must be"},
        {"\"layer1.cell\"", "\"layer1.hidden\"", "layer1.hidden appears twice"},
        {"\"shape\": [3]", "\"shape\": [3, 0]", "states: shape: wanted"},
        {"\"shape\": [3]", "\"shape\": [1000000, 1000000, 1000000, 1000000]", "is too large"},
        {"\"passed\": true", "\"passed\": null", "verdict.passed: wanted true or false"},
        {"\"unit\": \"m\"", "\"unit\": \"m\", \"unit\": \"m\"", "output.unit: a key appears twice"},
        {"\"engine\": {", "\"other\": {", "engine.file is missing"},
        {"}}}", "}}", "not JSON"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        struct text error = {""};
        assert(read_changed(table[i][0], table[i][1], &error) == DAE_ERROR_BUNDLE);
        if (!strstr(error.line, table[i][2])) {
            fprintf(stderr, "wanted '%s' in '%s'\n", table[i][2], error.line);
            assert(0);
        }
        assert(!strchr(error.line, '\n') && strncmp(error.line, "x.dae: manifest.json: ", 22) == 0);
    }
}

static void what_may_be_is_not_refused(void)
{
    static const char *const table[][2] = {{", \"verdict\": {\"passed\": true}", ""},
                                           {"\"passed\": true", "\"passed\": false"},
                                           {"\"shape\": [3]", "\"shape\": []"},
                                           {"\"tencode\"", "\"voxel_grid\", \"bins\": 5"},
                                           {"\"name\": \"small\"", "\"name\": \"\\u00e9\\ud83d\\ude00\""}};
    for (size_t i = 0; i < COUNT(table); i++) {
        struct text error = {""};
        assert(read_changed(table[i][0], table[i][1], &error) == DAE_OK);
    }
}

static void files_are_verified(void)
{
    static struct bundle bundle;
    struct small_bundle small;
    struct text error;
    char path[160], other[160];
    small_create(&small);
    assert(dae_bundle_read(&bundle, small.path, &error) == DAE_OK && dae_bundle_verify(&bundle, &error) == DAE_OK);
    small_write(&small, "model.onnx", "not a modem");
    assert(dae_bundle_verify(&bundle, &error) == DAE_ERROR_BUNDLE && strstr(error.line, "changed since it was verified"));
    small_write(&small, "model.onnx", "not a model!");
    assert(dae_bundle_verify(&bundle, &error) == DAE_ERROR_BUNDLE && strstr(error.line, "wanted 11 bytes, got 12"));
    snprintf(path, sizeof path, "%s/model.onnx", small.path);
    snprintf(other, sizeof other, "%s/other", small.path);
    small_write(&small, "model.onnx", small_model);
    assert(dae_bundle_verify(&bundle, &error) == DAE_OK);
    assert(rename(path, other) == 0 && dae_bundle_verify(&bundle, &error) == DAE_ERROR_BUNDLE);
    assert(symlink(other, path) == 0 && dae_bundle_verify(&bundle, &error) == DAE_ERROR_BUNDLE); /* though its content fits */
    assert(strstr(error.line, "missing, or not a plain file"));
    assert(unlink(path) == 0 && rename(other, path) == 0);
    dae_bundle_free(&bundle);
    assert(dae_bundle_read(&bundle, path, &error) == DAE_ERROR_BUNDLE && strstr(error.line, "not a bundle"));
    assert(dae_bundle_read(&bundle, "/nowhere", &error) == DAE_ERROR_FILE && strstr(error.line, "no such bundle"));
    small_remove(&small);
}

/* One number that is none, anywhere in any length, at every level of vector unit. */
static void what_is_not_finite_is_found_wherever_it_is(void)
{
    static const uint32_t bad[] = {0x7F800000, 0xFF800000, 0x7FC00000, 0xFF800001}, good[] = {0x7F7FFFFF, 0x80000000, 1, 0};
    finite_floats *const levels[] = {dae_finite_floats_serial, dae_finite_floats_best()};
    static float data[5000];
    static uint16_t halves[67];
    for (size_t i = 0; i < COUNT(data); i++) memcpy(&data[i], &good[i % COUNT(good)], sizeof *data);
    for (size_t level = 0; level < COUNT(levels); level++) {
        for (size_t n = 0; n < 70; n++) {
            for (size_t at = 0; at < n; at++) {
                const float kept = data[at];
                memcpy(&data[at], &bad[at % COUNT(bad)], sizeof *data);
                assert(!levels[level](data, n) && levels[level](data, at) && levels[level](data + at + 1, n - at - 1));
                data[at] = kept;
            }
            assert(levels[level](data, n));
        }
        memcpy(&data[4999], &bad[2], sizeof *data);
        assert(!levels[level](data, 5000) && levels[level](data, 4999));
        data[4999] = 0;
    }
    halves[66] = 0x7C00;
    assert(!dae_finite_halves(halves, 67) && dae_finite_halves(halves, 66));
    halves[66] = 0xFE01;
    assert(!dae_finite_halves(halves, 67));
    halves[66] = 0xFBFF;
    assert(dae_finite_halves(halves, 67));
}

int main(void)
{
    json_of_the_standard_is_read();
    json_that_is_none_is_refused();
    depth_and_length_have_limits();
    values_come_out_as_they_went_in();
    hashes_are_those_of_the_standard();
    the_small_manifest_is_read();
    what_is_wrong_is_named();
    what_may_be_is_not_refused();
    files_are_verified();
    what_is_not_finite_is_found_wherever_it_is();
    return 0;
}
