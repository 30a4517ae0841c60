/* A file that arrives byte by byte: each prefix shows what a whole decode of it shows, or says why it cannot. */

#include "common.h"

static FlextokDecoder *new_decoder(FlextokCodec *codec, uint32_t look) {
    FlextokDecodeOptions options = {0};
    FlextokDecoder *decoder;
    options.look = look;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decoder_new(codec, &options, &decoder));
    return decoder;
}

/* The decoder's picture is that of a decode of the file's first bytes, damaged or not. */
static void compare(FlextokCodec *codec, FlextokDecoder *decoder, const uint8_t *file, size_t size, uint32_t look) {
    FlextokDecodeOptions options = {0};
    FlextokImage now, whole;
    options.look = look;
    options.salvage = 1;
    FlextokStatus pushed = flextok_decoder_picture(decoder, FLEXTOK_FORMAT_RGB, &now);
    FlextokStatus decoded = flextok_decode(codec, file, size, &options, FLEXTOK_FORMAT_RGB, &whole);
    if (pushed == FLEXTOK_OK) {
        CHECK_STATUS(codec, FLEXTOK_OK, decoded);
        CHECK(now.size == whole.size && memcmp(now.pixels, whole.pixels, now.size) == 0);
        uint8_t *into = take(now.size);
        CHECK(flextok_decoder_picture_into(decoder, into, now.size, 0, FLEXTOK_FORMAT_RGB) == FLEXTOK_OK);
        CHECK(memcmp(into, now.pixels, now.size) == 0);
        CHECK(flextok_decoder_picture_into(decoder, into, now.size - 1, 0, FLEXTOK_FORMAT_RGB) == FLEXTOK_USAGE);
        free(into);
    } else {
        CHECK(pushed == FLEXTOK_NEED_MORE && decoded == FLEXTOK_CORRUPT);
        CHECK(strlen(flextok_decoder_message(decoder)) > 10 && now.pixels == NULL);
    }
    flextok_image_free(&now);
    flextok_image_free(&whole);
}

static void every_prefix(FlextokCodec *codec, const uint8_t *file, size_t size) {
    FlextokDecoder *decoder = new_decoder(codec, FLEXTOK_LOOK_PLAIN);
    FlextokArrived arrived;
    uint64_t before = 0;
    compare(codec, decoder, file, 0, FLEXTOK_LOOK_PLAIN);
    for (size_t at = 0; at < size; at++) {
        CHECK(flextok_decoder_feed(decoder, file + at, 1) == FLEXTOK_OK);
        CHECK(flextok_decoder_arrived(decoder, &arrived) == FLEXTOK_OK);
        CHECK(arrived.units >= before && arrived.units <= arrived.total && arrived.proven <= arrived.units);
        CHECK(arrived.failed == 0 && arrived.complete == (at + 1 == size));
        before = arrived.units;
        compare(codec, decoder, file, at + 1, FLEXTOK_LOOK_PLAIN);
    }
    CHECK(arrived.units == arrived.total && arrived.proven == arrived.total);
    /* A better look for the last picture. */
    CHECK(flextok_decoder_set_options(decoder, NULL) == FLEXTOK_OK);
    uint32_t complete = 7;
    CHECK(flextok_decoder_finish(decoder, &complete) == FLEXTOK_OK && complete == 1);
    compare(codec, decoder, file, size, FLEXTOK_LOOK_DEFAULT);
    CHECK(flextok_decoder_feed(decoder, file, 1) == FLEXTOK_USAGE);
    compare(codec, decoder, file, size, FLEXTOK_LOOK_DEFAULT);
    flextok_decoder_free(decoder);
}

/* What is proven before a fault can still be shown, and the fault stays. */
static void damage(FlextokCodec *codec, const uint8_t *file, size_t size) {
    uint8_t *bad = take(size);
    FlextokDecoder *decoder = new_decoder(codec, FLEXTOK_LOOK_PLAIN);
    FlextokArrived arrived;
    memcpy(bad, file, size);
    bad[size - 40] ^= 0x10;
    size_t failed = 0;
    for (size_t at = 0; at < size; at++) {
        FlextokStatus status = flextok_decoder_feed(decoder, bad + at, 1);
        CHECK(status == (failed > 0 ? FLEXTOK_CORRUPT : status));
        if (status != FLEXTOK_OK && failed == 0) {
            CHECK(status == FLEXTOK_CORRUPT);
            failed = at + 1;
        }
    }
    CHECK(failed > size - 40);
    CHECK(strlen(flextok_decoder_message(decoder)) > 10);
    CHECK(flextok_decoder_arrived(decoder, &arrived) == FLEXTOK_OK && arrived.failed == 1 && arrived.complete == 0);
    CHECK(arrived.proven > 0 && arrived.units < arrived.total);
    compare(codec, decoder, bad, size, FLEXTOK_LOOK_PLAIN);
    uint32_t complete;
    CHECK(flextok_decoder_finish(decoder, &complete) == FLEXTOK_CORRUPT && complete == 0);
    compare(codec, decoder, bad, size, FLEXTOK_LOOK_PLAIN);
    flextok_decoder_free(decoder);
    FlextokImage picture;
    CHECK_STATUS(codec, FLEXTOK_CORRUPT, flextok_decode(codec, bad, size, NULL, FLEXTOK_FORMAT_RGB, &picture));
    free(bad);
}

/* Ends before the end: no failure from the first byte of payload on. */
static void ends(FlextokCodec *codec, const uint8_t *file, size_t size) {
    for (size_t length = 0; length < size; length += length < 40 ? 1 : 97) {
        FlextokDecoder *decoder = new_decoder(codec, FLEXTOK_LOOK_PLAIN);
        FlextokArrived arrived;
        uint32_t complete = 7;
        CHECK(flextok_decoder_feed(decoder, file, length) == FLEXTOK_OK);
        CHECK(flextok_decoder_arrived(decoder, &arrived) == FLEXTOK_OK);
        FlextokStatus status = flextok_decoder_finish(decoder, &complete);
        CHECK(status == (arrived.units > 0 ? FLEXTOK_OK : FLEXTOK_CORRUPT) && complete == 0);
        flextok_decoder_free(decoder);
    }
}

/* The decoder outlives its codec; bytes that are no file fail at once. */
static void alone(const uint8_t *file, size_t size) {
    FlextokCodec *codec = flextok_codec_new();
    FlextokDecoder *decoder = new_decoder(codec, FLEXTOK_LOOK_PLAIN), *other = new_decoder(codec, FLEXTOK_LOOK_PLAIN);
    FlextokImage picture;
    flextok_codec_free(codec);
    CHECK(flextok_decoder_feed(decoder, file, size) == FLEXTOK_OK);
    CHECK(flextok_decoder_picture(decoder, FLEXTOK_FORMAT_RGBA, &picture) == FLEXTOK_OK);
    flextok_decoder_free(decoder);
    CHECK(picture.pixels[3] == 255);
    flextok_image_free(&picture);
    CHECK(flextok_decoder_feed(other, (const uint8_t *)"no such file", 12) == FLEXTOK_CORRUPT);
    CHECK(flextok_decoder_picture(other, FLEXTOK_FORMAT_RGB, &picture) == FLEXTOK_CORRUPT);
    flextok_decoder_free(other);
}

int main(int argc, char **argv) {
    CHECK(argc > 1);
    Photo photo = load_photo(argv[1], 40);
    FlextokCodec *codec = flextok_codec_new();
    size_t size;
    uint8_t *file = encode_photo(codec, &photo, 200, &size);
    every_prefix(codec, file, size);
    damage(codec, file, size);
    ends(codec, file, size);
    alone(file, size);
    flextok_free(file);
    flextok_codec_free(codec);
    free(photo.pixels);
    return 0;
}
