/* The callback hears of every step, and stops encodes and decodes wherever it wants. */

#include "common.h"

typedef struct {
    FlextokCodec *codec;
    uint32_t calls, done, total;
    /* The call at which to stop, from 1; 0 is none. */
    uint32_t stop;
} Heard;

static int hear(uint32_t done, uint32_t total, void *user) {
    Heard *heard = user;
    CHECK(heard->calls == 0 ? done == 0 && total == 1 : done >= heard->done);
    CHECK(done <= total);
    heard->calls++;
    heard->done = done;
    heard->total = total;
    /* The handle works: it takes no other call. */
    if (heard->codec != NULL) {
        CHECK(flextok_codec_open(heard->codec) == FLEXTOK_BUSY);
        CHECK(strstr(flextok_codec_message(heard->codec), "in use") != NULL);
    }
    return heard->calls == heard->stop;
}

static void reset(Heard *heard, uint32_t stop) {
    heard->calls = heard->done = heard->total = 0;
    heard->stop = stop;
}

static void encodes(FlextokCodec *codec, Heard *heard, const Photo *photo) {
    for (uint32_t stop = 0; stop <= 2; stop++) {
        uint8_t *file;
        size_t size;
        reset(heard, stop);
        FlextokStatus status = flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0,
                                              FLEXTOK_FORMAT_RGB, NULL, &file, &size);
        CHECK_STATUS(codec, stop == 0 ? FLEXTOK_OK : FLEXTOK_CANCELLED, status);
        CHECK((file == NULL) == (stop != 0));
        CHECK(heard->calls == (stop == 1 ? 1 : 2) && heard->done == heard->calls - 1 && heard->total == 1);
        flextok_free(file);
    }
}

static void decodes(FlextokCodec *codec, Heard *heard, const Photo *photo, const uint8_t *file, size_t size,
                    FlextokDecodeOptions options, uint32_t steps) {
    uint8_t *pixels = take(photo->size);
    for (uint32_t stop = 0; stop <= steps + 1; stop++) {
        reset(heard, stop);
        memset(pixels, 0xA5, photo->size);
        CHECK_STATUS(codec, stop == 0 ? FLEXTOK_OK : FLEXTOK_CANCELLED,
                     flextok_decode_into(codec, file, size, &options, pixels, photo->size, 0, FLEXTOK_FORMAT_RGB));
        CHECK(heard->calls == (stop == 0 ? steps + 1 : stop));
        CHECK(heard->done == heard->calls - 1 && heard->total == (heard->calls == 1 ? 1 : steps));
        for (size_t at = 0; stop > 0 && at < photo->size; at++)
            CHECK(pixels[at] == 0xA5);
    }
    free(pixels);
}

/* A stopped picture of a decoder may be asked for again. */
static void decoders(FlextokCodec *codec, Heard *heard, const uint8_t *file, size_t size) {
    FlextokDecoder *decoder;
    FlextokImage picture;
    reset(heard, 1);
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decoder_new(codec, NULL, &decoder));
    heard->codec = NULL;
    CHECK(flextok_decoder_feed(decoder, file, size) == FLEXTOK_OK && heard->calls == 0);
    CHECK(flextok_decoder_picture(decoder, FLEXTOK_FORMAT_RGB, &picture) == FLEXTOK_CANCELLED);
    CHECK(picture.pixels == NULL && heard->calls == 1);
    reset(heard, 0);
    CHECK(flextok_decoder_picture(decoder, FLEXTOK_FORMAT_RGB, &picture) == FLEXTOK_OK);
    flextok_image_free(&picture);
    /* Not decoded twice. */
    uint32_t calls = heard->calls;
    CHECK(flextok_decoder_picture(decoder, FLEXTOK_FORMAT_RGB, &picture) == FLEXTOK_OK && heard->calls == calls);
    flextok_image_free(&picture);
    flextok_decoder_free(decoder);
}

/* A FlexTok model, which takes several steps. */
static void steps(const char *model, const Photo *photo) {
    FlextokCodec *codec = flextok_codec_new();
    Heard heard = {codec, 0, 0, 0, 0};
    FlextokDecodeOptions options = {0};
    size_t size;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_model(codec, model));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_progress(codec, hear, &heard));
    uint8_t *file = encode_photo(codec, photo, 60, &size);
    options.steps = 3;
    decodes(codec, &heard, photo, file, size, options, 3);
    flextok_free(file);
    flextok_codec_free(codec);
}

int main(int argc, char **argv) {
    CHECK(argc > 2);
    Photo photo = load_photo(argv[1], 60);
    FlextokCodec *codec = flextok_codec_new();
    Heard heard = {codec, 0, 0, 0, 0};
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_progress(codec, hear, &heard));
    encodes(codec, &heard, &photo);
    size_t size;
    reset(&heard, 0);
    uint8_t *file = encode_photo(codec, &photo, 500, &size);
    FlextokDecodeOptions options = {0};
    decodes(codec, &heard, &photo, file, size, options, 1);
    options.look = FLEXTOK_LOOK_PLAIN;
    decodes(codec, &heard, &photo, file, size, options, 1);
    decoders(codec, &heard, file, size);
    /* No callback, no calls. */
    reset(&heard, 1);
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_progress(codec, NULL, NULL));
    flextok_free(encode_photo(codec, &photo, 500, &size));
    CHECK(heard.calls == 0);
    flextok_free(file);
    flextok_codec_free(codec);
    steps(argv[2], &photo);
    free(photo.pixels);
    return 0;
}
