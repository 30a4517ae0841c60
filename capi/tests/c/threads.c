/* Two threads with two handles, many rounds: the same bytes as alone. One handle in two threads: refused, not raced. */

#include <pthread.h>

#include "common.h"

enum { BYTES = 60 };

/* What one thread does, and what it has to get. */
typedef struct {
    FlextokCodec *codec;
    Photo photo;
    const uint8_t *file;
    size_t file_size;
    const uint8_t *pixels;
    uint32_t look;
    long rounds;
    long busy;
} Work;

static FlextokStatus encode(FlextokCodec *codec, const Photo *photo, uint8_t **file, size_t *size) {
    FlextokEncodeOptions options = {0};
    options.bytes = BYTES;
    return flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0, FLEXTOK_FORMAT_RGB, &options,
                          file, size);
}

static FlextokStatus decode(FlextokCodec *codec, const uint8_t *file, size_t size, uint32_t look, FlextokImage *picture) {
    FlextokDecodeOptions options = {0};
    options.look = look;
    return flextok_decode(codec, file, size, &options, FLEXTOK_FORMAT_RGB, picture);
}

static void *same_as_alone(void *argument) {
    Work *work = argument;
    for (long round = 0; round < work->rounds; round++) {
        uint8_t *file;
        size_t size;
        FlextokImage picture;
        CHECK_STATUS(work->codec, FLEXTOK_OK, encode(work->codec, &work->photo, &file, &size));
        CHECK(size == work->file_size && memcmp(file, work->file, size) == 0);
        CHECK_STATUS(work->codec, FLEXTOK_OK, decode(work->codec, file, size, work->look, &picture));
        CHECK(picture.size == work->photo.size && memcmp(picture.pixels, work->pixels, picture.size) == 0);
        flextok_image_free(&picture);
        flextok_free(file);
    }
    return NULL;
}

static void *same_handle(void *argument) {
    Work *work = argument;
    for (long round = 0; round < work->rounds; round++) {
        FlextokImage picture;
        FlextokStatus status = decode(work->codec, work->file, work->file_size, work->look, &picture);
        CHECK(status == FLEXTOK_OK || status == FLEXTOK_BUSY);
        if (status == FLEXTOK_OK)
            CHECK(picture.size == work->photo.size && memcmp(picture.pixels, work->pixels, picture.size) == 0);
        work->busy += status == FLEXTOK_BUSY;
        flextok_image_free(&picture);
    }
    return NULL;
}

static void run(void *(*body)(void *), Work work[2]) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, body, &work[i]) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(int argc, char **argv) {
    CHECK(argc > 1);
    long rounds = argc > 3 ? atol(argv[3]) : 1000;
    CHECK(rounds > 0);
    /* One has the digits alone, the other also the learned decoder. */
    static const uint32_t looks[2] = {FLEXTOK_LOOK_PLAIN, FLEXTOK_LOOK_DEFAULT};
    Photo photos[2] = {load_photo(argv[1], 24), load_photo(argv[1], 37)};
    Work work[2];
    uint8_t *files[2];
    FlextokImage alone[2];
    FlextokCodec *first = flextok_codec_new();
    for (int i = 0; i < 2; i++) {
        Work one = {flextok_codec_new(), photos[i], NULL, 0, NULL, looks[i], rounds, 0};
        CHECK(flextok_codec_set_threads(one.codec, 1 + (uint32_t)i) == FLEXTOK_OK);
        CHECK_STATUS(first, FLEXTOK_OK, encode(first, &photos[i], &files[i], &one.file_size));
        CHECK_STATUS(first, FLEXTOK_OK, decode(first, files[i], one.file_size, looks[i], &alone[i]));
        one.file = files[i];
        one.pixels = alone[i].pixels;
        work[i] = one;
    }
    run(same_as_alone, work);
    /* Clones share the model and its threads. */
    for (int i = 0; i < 2; i++) {
        flextok_codec_free(work[i].codec);
        CHECK_STATUS(first, FLEXTOK_OK, flextok_codec_clone(first, &work[i].codec));
        work[i].rounds = rounds / 10 + 1;
    }
    run(same_as_alone, work);
    flextok_codec_free(work[0].codec);
    work[0].codec = work[1].codec;
    run(same_handle, work);
    flextok_codec_free(work[1].codec);
    printf("%ld rounds, %ld calls refused\n", rounds, work[0].busy + work[1].busy);
    flextok_codec_free(first);
    for (int i = 0; i < 2; i++) {
        flextok_free(files[i]);
        flextok_image_free(&alone[i]);
        free(photos[i].pixels);
    }
    return 0;
}
