/* What the tests in C share: checks that name the line, and a photo from a PPM file (P6), made small. */

#ifndef COMMON_H
#define COMMON_H

#include <flextok.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                             \
        }                                                                        \
    } while (0)

/* The status of a call with a codec. */
#define CHECK_STATUS(codec, wanted, call)                                                             \
    do {                                                                                              \
        FlextokStatus status_ = (call);                                                               \
        if (status_ != (wanted)) {                                                                    \
            fprintf(stderr, "%s:%d: %d instead of %s: %s\n", __FILE__, __LINE__, (int)status_, #wanted, \
                    flextok_codec_message(codec));                                                    \
            exit(1);                                                                                  \
        }                                                                                             \
    } while (0)

/* A refusal, whose message has a text in it. */
#define CHECK_REFUSED(codec, wanted, text, call)                                                        \
    do {                                                                                                \
        CHECK_STATUS(codec, wanted, call);                                                              \
        if (strstr(flextok_codec_message(codec), (text)) == NULL) {                                     \
            fprintf(stderr, "%s:%d: \"%s\" is not in: %s\n", __FILE__, __LINE__, (text),                \
                    flextok_codec_message(codec));                                                      \
            exit(1);                                                                                    \
        }                                                                                               \
    } while (0)

/* RGB without gaps. */
typedef struct {
    uint8_t *pixels;
    size_t size;
    uint32_t width, height;
} Photo;

static inline void *take(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    CHECK(memory != NULL);
    return memory;
}

/* The photo in a file, of which only each so-manieth pixel is kept until no side is longer than `most`. */
static inline Photo load_photo(const char *path, uint32_t most) {
    FILE *in = fopen(path, "rb");
    unsigned width = 0, height = 0;
    CHECK(in != NULL);
    CHECK(fscanf(in, "P6 %u %u 255", &width, &height) == 2 && fgetc(in) == '\n');
    CHECK(width > 0 && height > 0 && width < 10000 && height < 10000);
    size_t row = 3 * (size_t)width;
    uint8_t *all = take(row * height);
    CHECK(fread(all, row, height, in) == height);
    fclose(in);
    uint32_t step = ((width > height ? width : height) + most - 1) / most;
    Photo photo = {NULL, 0, width / step, height / step};
    photo.size = (size_t)photo.width * photo.height * 3;
    photo.pixels = take(photo.size);
    for (uint32_t y = 0; y < photo.height; y++)
        for (uint32_t x = 0; x < photo.width; x++)
            memcpy(photo.pixels + ((size_t)y * photo.width + x) * 3, all + y * step * row + 3 * (size_t)x * step, 3);
    free(all);
    return photo;
}

/* The file of a photo in at most so many bytes. */
static inline uint8_t *encode_photo(FlextokCodec *codec, const Photo *photo, uint64_t bytes, size_t *size) {
    FlextokEncodeOptions options = {0};
    uint8_t *file = NULL;
    options.bytes = bytes;
    CHECK_STATUS(codec, FLEXTOK_OK,
                 flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0, FLEXTOK_FORMAT_RGB,
                                &options, &file, size));
    CHECK(*size <= bytes && file != NULL);
    return file;
}

#endif
