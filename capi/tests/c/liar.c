/* Callers that lie: about strides, lengths, formats and options, with null for every pointer. Each is refused with a message
   that has the number, and nothing is written. */

#include "common.h"

enum { WIDTH = 7, HEIGHT = 5, RGB = FLEXTOK_FORMAT_RGB, RGBA = FLEXTOK_FORMAT_RGBA };

static uint8_t pixels[WIDTH * HEIGHT * 4];

/* Numbers of an encode that do not fit together. */
static void encode_lies(FlextokCodec *codec) {
    static const struct {
        size_t size;
        uint32_t width, height;
        size_t stride;
        uint32_t format;
        const char *text;
    } lies[] = {
        {sizeof pixels, WIDTH, HEIGHT, WIDTH * 3 - 1, RGB, "stride of 20 bytes; a row needs 21"},
        {sizeof pixels, WIDTH, HEIGHT, 1, RGBA, "stride of 1 bytes; a row needs 28"},
        {WIDTH * HEIGHT * 3 - 1, WIDTH, HEIGHT, 0, RGB, "104 bytes"},
        {WIDTH * HEIGHT * 3, WIDTH, HEIGHT, 0, RGBA, "105 bytes"},
        {sizeof pixels, WIDTH, HEIGHT, 30, RGBA, "need 148"},
        {sizeof pixels, WIDTH, HEIGHT + 1, 0, RGBA, "need 168"},
        {sizeof pixels, WIDTH, HEIGHT, 0, 0, "format 0"},
        {sizeof pixels, WIDTH, HEIGHT, 0, 1, "format 1"},
        {sizeof pixels, WIDTH, HEIGHT, 0, UINT32_MAX, "format 4294967295"},
        {sizeof pixels, 0, HEIGHT, 0, RGB, "0x5"},
        {sizeof pixels, WIDTH, 0, 0, RGB, "7x0"},
        {0, WIDTH, HEIGHT, 0, RGB, "0 bytes"},
        {sizeof pixels, UINT32_MAX, UINT32_MAX, 0, RGBA, "more than fit"},
        {SIZE_MAX, UINT32_MAX, UINT32_MAX, 0, RGB, "more than fit"},
        {sizeof pixels, 1, UINT32_MAX, SIZE_MAX, RGB, "more than fit"},
        {sizeof pixels, WIDTH, HEIGHT, SIZE_MAX / 2, RGB, "more than fit"},
        {sizeof pixels, 65536, 65536, 0, RGB, "140 bytes"},
        {SIZE_MAX, WIDTH, HEIGHT, 0, RGB, "at most"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t *file = pixels;
        size_t size = 1;
        CHECK_REFUSED(codec, FLEXTOK_USAGE, lies[i].text,
                      flextok_encode(codec, pixels, lies[i].size, lies[i].width, lies[i].height, lies[i].stride,
                                     lies[i].format, NULL, &file, &size));
        CHECK(file == NULL && size == 0);
    }
}

static void encode_options(FlextokCodec *codec) {
    static const struct {
        FlextokEncodeOptions options;
        FlextokStatus status;
        const char *text;
    } lies[] = {
        {{.bytes = 5}, FLEXTOK_USAGE, "5"},
        {{.bytes = 100, .tokens = 3}, FLEXTOK_USAGE, "100 bytes and 3 tokens"},
        {{.tokens = 3}, FLEXTOK_USAGE, "tokens 3"},
        {{.canvas = 300}, FLEXTOK_USAGE, "canvas 300"},
        {{.canvas_width = 64}, FLEXTOK_USAGE, "64x0"},
        {{.canvas_width = 64, .canvas_height = 64}, FLEXTOK_USAGE, "64x64"},
        {{.crop = 1}, FLEXTOK_USAGE, "crop"},
        {{.crop = 2}, FLEXTOK_USAGE, "crop is 2"},
        {{.background = {1, 2, 3, 4}}, FLEXTOK_USAGE, "fourth byte is 4"},
        {{.cut_at = 2000}, FLEXTOK_USAGE, "2000"},
        {{.reserved = {0, 0, 0, 9}}, FLEXTOK_USAGE, "is 9"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        uint8_t *file;
        size_t size;
        CHECK_REFUSED(codec, lies[i].status, lies[i].text,
                      flextok_encode(codec, pixels, sizeof pixels, WIDTH, HEIGHT, 0, RGBA, &lies[i].options, &file,
                                     &size));
        CHECK(file == NULL && size == 0);
    }
}

static void decode_options(FlextokCodec *codec, const uint8_t *file, size_t size) {
    static const struct {
        FlextokDecodeOptions options;
        const char *text;
    } lies[] = {
        {{.look = 5}, "look 5"},
        {{.look = FLEXTOK_LOOK_BETWEEN, .sharpness = 1.5f}, "1.5"},
        {{.look = FLEXTOK_LOOK_BETWEEN, .sharpness = -1}, "-1"},
        {{.sharpness = 0.5f}, "sharpness is 0.5"},
        {{.salvage = 7}, "salvage is 7"},
        {{.tokens = 4}, "tokens"},
        {{.steps = 4}, "steps"},
        {{.seed = 4}, "seed"},
        {{.guidance = 3}, "guidance 3"},
        {{.guidance = FLEXTOK_GUIDANCE_CFG, .guidance_scale = 2}, "guidance"},
        {{.guidance_scale = 2}, "guidance_scale is 2"},
        {{.reserved = {1}}, "is 1"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        FlextokImage picture;
        FlextokDecoder *decoder;
        memset(&picture, 0xA5, sizeof picture);
        CHECK_REFUSED(codec, FLEXTOK_USAGE, lies[i].text,
                      flextok_decode(codec, file, size, &lies[i].options, RGB, &picture));
        CHECK(picture.pixels == NULL && picture.size == 0 && picture.width == 0);
        CHECK_REFUSED(codec, FLEXTOK_USAGE, lies[i].text, flextok_decoder_new(codec, &lies[i].options, &decoder));
        CHECK(decoder == NULL);
    }
}

/* Places that are too small, and files that are none. */
static void decode_lies(FlextokCodec *codec, const uint8_t *file, size_t size) {
    static const struct {
        size_t size, stride;
        uint32_t format;
        const char *text;
    } lies[] = {
        {WIDTH * HEIGHT * 3 - 1, 0, RGB, "104 bytes"}, {WIDTH * HEIGHT * 3, 0, RGBA, "105 bytes"},
        {WIDTH * HEIGHT * 4, 34, RGB, "need 157"},     {WIDTH * HEIGHT * 4, 20, RGB, "stride of 20"},
        {WIDTH * HEIGHT * 4, SIZE_MAX, RGB, "more"},   {0, 0, RGB, "0 bytes"},
        {WIDTH * HEIGHT * 4, 0, 2, "format 2"},        {SIZE_MAX, 0, RGB, "at most"},
    };
    uint8_t *place = take(WIDTH * HEIGHT * 4);
    memset(place, 0xA5, WIDTH * HEIGHT * 4);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        CHECK_REFUSED(codec, FLEXTOK_USAGE, lies[i].text,
                      flextok_decode_into(codec, file, size, NULL, place, lies[i].size, lies[i].stride,
                                          lies[i].format));
    FlextokImage picture;
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "format 9", flextok_decode(codec, file, size, NULL, 9, &picture));
    for (size_t length = 0; length <= 10; length++)
        CHECK_STATUS(codec, FLEXTOK_CORRUPT,
                     flextok_decode_into(codec, file, length, NULL, place, WIDTH * HEIGHT * 4, 0, RGBA));
    /* Every byte in turn is another one. */
    uint8_t *bad = take(size);
    for (size_t at = 0; at < size; at++) {
        memcpy(bad, file, size);
        bad[at] ^= 0x41;
        FlextokStatus status = flextok_decode_into(codec, bad, size, NULL, place, WIDTH * HEIGHT * 4, 0, RGBA);
        CHECK(status != FLEXTOK_OK && status != FLEXTOK_INTERNAL && strlen(flextok_codec_message(codec)) > 10);
    }
    free(bad);
    for (size_t at = 0; at < WIDTH * HEIGHT * 4; at++)
        CHECK(place[at] == 0xA5);
    free(place);
}

static void nulls(FlextokCodec *codec, const uint8_t *file, size_t size) {
    uint8_t *out, place[WIDTH * HEIGHT * 3], cut[64];
    size_t out_size;
    FlextokImage picture;
    FlextokDecoder *decoder;
    FlextokCodec *clone;
    FlextokFileInfo info;
    char *text;
    CHECK(flextok_encode(NULL, pixels, sizeof pixels, WIDTH, HEIGHT, 0, RGB, NULL, &out, &out_size) == FLEXTOK_USAGE);
    CHECK(out == NULL && out_size == 0);
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "pixels is null",
                  flextok_encode(codec, NULL, 1000, WIDTH, HEIGHT, 0, RGB, NULL, &out, &out_size));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "file is null",
                  flextok_encode(codec, pixels, sizeof pixels, WIDTH, HEIGHT, 0, RGB, NULL, NULL, &out_size));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "file_size is null",
                  flextok_encode(codec, pixels, sizeof pixels, WIDTH, HEIGHT, 0, RGB, NULL, &out, NULL));
    CHECK(flextok_decode(NULL, file, size, NULL, RGB, &picture) == FLEXTOK_USAGE && picture.pixels == NULL);
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "file is null", flextok_decode(codec, NULL, size, NULL, RGB, &picture));
    CHECK_STATUS(codec, FLEXTOK_CORRUPT, flextok_decode(codec, NULL, 0, NULL, RGB, &picture));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "image is null", flextok_decode(codec, file, size, NULL, RGB, NULL));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "pixels is null",
                  flextok_decode_into(codec, file, size, NULL, NULL, sizeof place, 0, RGB));
    CHECK(flextok_decode_into(NULL, file, size, NULL, place, sizeof place, 0, RGB) == FLEXTOK_USAGE);
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "file is null", flextok_file_text(codec, NULL, 9, 0, &text, NULL));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "text is null", flextok_file_text(codec, file, size, 0, NULL, NULL));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "clone is null", flextok_codec_clone(codec, NULL));
    CHECK(flextok_codec_clone(NULL, &clone) == FLEXTOK_USAGE && clone == NULL);
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "decoder is null", flextok_decoder_new(codec, NULL, NULL));
    CHECK(flextok_decoder_new(NULL, NULL, &decoder) == FLEXTOK_USAGE && decoder == NULL);
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "data is null", flextok_codec_set_model_bytes(codec, NULL, 5));
    CHECK(flextok_codec_open(NULL) == FLEXTOK_USAGE && flextok_codec_set_model(NULL, "x") == FLEXTOK_USAGE);
    CHECK(flextok_codec_set_threads(NULL, 1) == FLEXTOK_USAGE);
    CHECK(flextok_codec_set_limit(NULL, 0, 1) == FLEXTOK_USAGE);
    CHECK(flextok_codec_set_progress(NULL, NULL, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_file_info(NULL, 10, &info) == FLEXTOK_USAGE);
    CHECK(flextok_file_info(file, size, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_truncate(NULL, 10, 20, cut, sizeof cut, &out_size) == FLEXTOK_USAGE);
    CHECK(flextok_truncate(file, size, 20, NULL, 20, &out_size) == FLEXTOK_USAGE);
    CHECK(flextok_truncate(file, size, 20, cut, 10, &out_size) == FLEXTOK_USAGE);
    CHECK(flextok_truncate(file, size, 20, cut, sizeof cut, NULL) == FLEXTOK_USAGE);
    CHECK(strstr(flextok_codec_message(NULL), "null") != NULL && strstr(flextok_decoder_message(NULL), "null") != NULL);
    flextok_codec_free(NULL);
    flextok_decoder_free(NULL);
    flextok_image_free(NULL);
    flextok_free(NULL);
}

static void decoder_nulls(FlextokCodec *codec, const uint8_t *file, size_t size) {
    FlextokDecoder *decoder;
    FlextokImage picture;
    FlextokArrived arrived;
    uint8_t place[WIDTH * HEIGHT * 3];
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decoder_new(codec, NULL, &decoder));
    CHECK(flextok_decoder_feed(NULL, file, size) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_feed(decoder, NULL, size) == FLEXTOK_USAGE);
    CHECK(strstr(flextok_decoder_message(decoder), "data is null") != NULL);
    CHECK(flextok_decoder_feed(decoder, file, SIZE_MAX) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_feed(decoder, NULL, 0) == FLEXTOK_OK);
    /* None of it was a fault of the file. */
    CHECK(flextok_decoder_feed(decoder, file, size) == FLEXTOK_OK);
    CHECK(flextok_decoder_arrived(decoder, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_arrived(NULL, &arrived) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_picture(decoder, RGB, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_picture(decoder, 77, &picture) == FLEXTOK_USAGE && picture.pixels == NULL);
    CHECK(flextok_decoder_picture(NULL, RGB, &picture) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_picture_into(decoder, NULL, sizeof place, 0, RGB) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_picture_into(decoder, place, sizeof place, 1, RGB) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_picture_into(decoder, place, sizeof place, 0, RGBA) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_picture_into(NULL, place, sizeof place, 0, RGB) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_set_options(NULL, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_finish(NULL, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_decoder_finish(decoder, NULL) == FLEXTOK_OK);
    CHECK(flextok_decoder_picture_into(decoder, place, sizeof place, 0, RGB) == FLEXTOK_OK);
    flextok_decoder_free(decoder);
}

static void settings(FlextokCodec *codec) {
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "1025 threads", flextok_codec_set_threads(codec, 1025));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "4294967295 threads", flextok_codec_set_threads(codec, UINT32_MAX));
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "limit 99", flextok_codec_set_limit(codec, 99, 1));
    /* Models that are none; the built-in one serves again afterwards. */
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_model_bytes(codec, pixels, sizeof pixels));
    CHECK_STATUS(codec, FLEXTOK_MODEL, flextok_codec_open(codec));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_model_bytes(codec, NULL, 0));
    CHECK_STATUS(codec, FLEXTOK_MODEL, flextok_codec_open(codec));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_model(codec, "missing/\xFF.safetensors"));
    CHECK_REFUSED(codec, FLEXTOK_MODEL, "missing", flextok_codec_open(codec));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_model(codec, NULL));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_open(codec));
    CHECK(strlen(flextok_codec_message(codec)) == 0);
}

int main(void) {
    FlextokCodec *codec = flextok_codec_new();
    for (size_t at = 0; at < sizeof pixels; at++)
        pixels[at] = (uint8_t)(at * 37);
    encode_lies(codec);
    encode_options(codec);
    uint8_t *file;
    size_t size;
    CHECK_STATUS(codec, FLEXTOK_OK,
                 flextok_encode(codec, pixels, sizeof pixels, WIDTH, HEIGHT, 0, RGBA, NULL, &file, &size));
    decode_options(codec, file, size);
    decode_lies(codec, file, size);
    nulls(codec, file, size);
    decoder_nulls(codec, file, size);
    settings(codec);
    flextok_free(file);
    flextok_codec_free(codec);
    return 0;
}
