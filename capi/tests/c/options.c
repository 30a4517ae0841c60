/* What options do: looks, backgrounds, canvases, texts, limits. */

#include "common.h"

static FlextokImage decode(FlextokCodec *codec, const uint8_t *file, size_t size, uint32_t look, float sharpness) {
    FlextokDecodeOptions options = {0};
    FlextokImage picture;
    options.look = look;
    options.sharpness = sharpness;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decode(codec, file, size, &options, FLEXTOK_FORMAT_RGB, &picture));
    return picture;
}

static void looks(FlextokCodec *codec, const uint8_t *file, size_t size) {
    FlextokImage same = decode(codec, file, size, FLEXTOK_LOOK_DEFAULT, 0);
    FlextokImage between = decode(codec, file, size, FLEXTOK_LOOK_BETWEEN, 0.5f);
    CHECK(memcmp(same.pixels, between.pixels, same.size) == 0);
    static const uint32_t others[] = {FLEXTOK_LOOK_PLAIN, FLEXTOK_LOOK_FAITHFUL, FLEXTOK_LOOK_SHARP};
    for (size_t i = 0; i < 3; i++) {
        FlextokImage other = decode(codec, file, size, others[i], 0);
        CHECK(memcmp(same.pixels, other.pixels, same.size) != 0);
        flextok_image_free(&other);
    }
    flextok_image_free(&same);
    flextok_image_free(&between);
}

/* The file of a picture that is transparent all over. */
static uint8_t *behind(FlextokCodec *codec, const uint8_t background[4], size_t *size) {
    static uint8_t pixels[32 * 32 * 4];
    FlextokEncodeOptions options = {0};
    uint8_t *file;
    memcpy(options.background, background, 4);
    CHECK_STATUS(codec, FLEXTOK_OK,
                 flextok_encode(codec, pixels, sizeof pixels, 32, 32, 0, FLEXTOK_FORMAT_RGBA, &options, &file, size));
    return file;
}

static void backgrounds(FlextokCodec *codec) {
    static const uint8_t colours[4][4] = {{0, 0, 0, 0}, {255, 255, 255, 255}, {0, 0, 0, 255}, {200, 30, 30, 255}};
    static const uint8_t seen[4][3] = {{255, 255, 255}, {255, 255, 255}, {0, 0, 0}, {200, 30, 30}};
    for (size_t i = 0; i < 4; i++) {
        size_t size;
        uint8_t *file = behind(codec, colours[i], &size);
        FlextokImage picture = decode(codec, file, size, FLEXTOK_LOOK_PLAIN, 0);
        for (size_t at = 0; at < picture.size; at++)
            CHECK(abs(picture.pixels[at] - seen[i][at % 3]) < 12);
        flextok_image_free(&picture);
        flextok_free(file);
    }
}

static void texts(FlextokCodec *codec, const Photo *photo) {
    FlextokEncodeOptions options = {0};
    uint8_t *file;
    size_t size, length = 7;
    char *text;
    options.bytes = 300;
    options.title = "Kaffee und K\xC3\xBC" "chen";
    options.capture_time = "2024-05-06T07:08:09Z";
    CHECK_STATUS(codec, FLEXTOK_OK,
                 flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0, FLEXTOK_FORMAT_RGB,
                                &options, &file, &size));
    CHECK(size <= 300);
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_file_text(codec, file, size, FLEXTOK_TEXT_TITLE, &text, &length));
    CHECK(strcmp(text, options.title) == 0 && length == strlen(options.title));
    flextok_free(text);
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_file_text(codec, file, size, FLEXTOK_TEXT_CAPTURE_TIME, &text, NULL));
    CHECK(strcmp(text, options.capture_time) == 0);
    flextok_free(text);
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_file_text(codec, file, size, FLEXTOK_TEXT_ENCODER, &text, &length));
    CHECK(text == NULL && length == 0);
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "text 9", flextok_file_text(codec, file, size, 9, &text, NULL));
    flextok_free(file);
    options.title = "\xFF";
    CHECK_REFUSED(codec, FLEXTOK_USAGE, "UTF-8",
                  flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0,
                                 FLEXTOK_FORMAT_RGB, &options, &file, &size));
    CHECK(file == NULL && size == 0);
}

static void canvases(FlextokCodec *codec, const Photo *photo) {
    static const uint32_t canvases[] = {FLEXTOK_CANVAS_AUTO, 1, 255, FLEXTOK_CANVAS_OWN, 257};
    for (size_t i = 0; i < 5; i++) {
        FlextokEncodeOptions options = {0};
        uint8_t *file;
        size_t size;
        options.bytes = 100;
        options.canvas = canvases[i];
        FlextokStatus status = flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0,
                                              FLEXTOK_FORMAT_RGB, &options, &file, &size);
        /* 255 blocks are more pixels than the limit on memory, set below, allows. */
        FlextokStatus wanted = canvases[i] == 257 ? FLEXTOK_USAGE : canvases[i] == 255 ? FLEXTOK_LIMIT : FLEXTOK_OK;
        CHECK_STATUS(codec, wanted, status);
        flextok_free(file);
    }
}

/* Each limit is refused with its number, and raised again. */
static void limits(FlextokCodec *codec, const Photo *photo) {
    size_t size, cut_size;
    uint8_t *file = encode_photo(codec, photo, 200, &size), *again;
    FlextokImage picture;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_limit(codec, FLEXTOK_LIMIT_PIXELS, 1000));
    CHECK_REFUSED(codec, FLEXTOK_LIMIT, "1000", flextok_decode(codec, file, size, NULL, FLEXTOK_FORMAT_RGB, &picture));
    CHECK(picture.pixels == NULL);
    CHECK_REFUSED(codec, FLEXTOK_LIMIT, "1000",
                  flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0,
                                 FLEXTOK_FORMAT_RGB, NULL, &again, &cut_size));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_limit(codec, FLEXTOK_LIMIT_PIXELS, 1 << 27));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_limit(codec, FLEXTOK_LIMIT_PAYLOAD_BYTES, 100));
    CHECK_REFUSED(codec, FLEXTOK_LIMIT, "100", flextok_decode(codec, file, size, NULL, FLEXTOK_FORMAT_RGB, &picture));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_limit(codec, FLEXTOK_LIMIT_PAYLOAD_BYTES, 1000));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_limit(codec, FLEXTOK_LIMIT_SIDE, 10));
    CHECK_STATUS(codec, FLEXTOK_LIMIT, flextok_decode(codec, file, size, NULL, FLEXTOK_FORMAT_RGB, &picture));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_limit(codec, FLEXTOK_LIMIT_SIDE, UINT64_MAX));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decode(codec, file, size, NULL, FLEXTOK_FORMAT_RGB, &picture));
    flextok_image_free(&picture);
    flextok_free(file);
}

int main(int argc, char **argv) {
    CHECK(argc > 1);
    Photo photo = load_photo(argv[1], 60);
    FlextokCodec *codec = flextok_codec_new();
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_limit(codec, FLEXTOK_LIMIT_MEMORY, 64 << 20));
    size_t size;
    uint8_t *file = encode_photo(codec, &photo, 500, &size);
    looks(codec, file, size);
    flextok_free(file);
    backgrounds(codec);
    texts(codec, &photo);
    canvases(codec, &photo);
    limits(codec, &photo);
    flextok_codec_free(codec);
    free(photo.pixels);
    return 0;
}
