/* Encode and decode with all strides and formats, within the budget; cut, say what a file is. */

#include "common.h"

enum { GAP = 0xA5 };

/* The photo with other pixels: 3 or 4 channels, `gap` bytes behind each row but the last. */
static uint8_t *laid_out(const Photo *photo, size_t channels, size_t gap, size_t *size) {
    size_t row = photo->width * channels, stride = row + gap;
    *size = stride * (photo->height - 1) + row;
    uint8_t *pixels = take(*size);
    memset(pixels, GAP, *size);
    for (uint32_t y = 0; y < photo->height; y++)
        for (uint32_t x = 0; x < photo->width; x++) {
            uint8_t *to = pixels + y * stride + x * channels;
            memcpy(to, photo->pixels + ((size_t)y * photo->width + x) * 3, 3);
            if (channels == 4)
                to[3] = 255;
        }
    return pixels;
}

/* All ways to lay out the same pixels make the same file, and get the same picture. */
static void layouts(FlextokCodec *codec, const Photo *photo) {
    size_t file_size;
    uint8_t *file = encode_photo(codec, photo, 400, &file_size);
    FlextokImage picture;
    FlextokDecodeOptions plain = {0};
    plain.look = FLEXTOK_LOOK_PLAIN;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decode(codec, file, file_size, &plain, FLEXTOK_FORMAT_RGB, &picture));
    CHECK(picture.width == photo->width && picture.height == photo->height);
    CHECK(picture.format == FLEXTOK_FORMAT_RGB && picture.stride == 3 * (size_t)photo->width);
    CHECK(picture.size == photo->size && picture.reserved == 0);
    Photo decoded = {picture.pixels, picture.size, picture.width, picture.height};
    static const size_t gaps[] = {0, 1, 5, 1000};
    for (size_t channels = 3; channels <= 4; channels++)
        for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
            size_t size, expected_size, same_size, stride = photo->width * channels + gaps[i];
            uint8_t *pixels = laid_out(photo, channels, gaps[i], &size);
            uint8_t *same;
            FlextokEncodeOptions options = {0};
            options.bytes = 400;
            CHECK_STATUS(codec, FLEXTOK_OK,
                         flextok_encode(codec, pixels, size, photo->width, photo->height, stride, (uint32_t)channels,
                                        &options, &same, &same_size));
            CHECK(same_size == file_size && memcmp(same, file, file_size) == 0);
            /* Into a place of exactly this size: gaps stay as they are, and valgrind sees a byte too many. */
            memset(pixels, GAP, size);
            CHECK_STATUS(codec, FLEXTOK_OK,
                         flextok_decode_into(codec, file, file_size, &plain, pixels, size, stride, (uint32_t)channels));
            uint8_t *expected = laid_out(&decoded, channels, gaps[i], &expected_size);
            CHECK(expected_size == size && memcmp(pixels, expected, size) == 0);
            free(expected);
            free(pixels);
            flextok_free(same);
        }
    flextok_image_free(&picture);
    CHECK(picture.pixels == NULL && picture.size == 0);
    flextok_image_free(&picture);
    flextok_free(file);
}

/* More bytes are used, and make a better picture. */
static void budgets(FlextokCodec *codec, const Photo *photo) {
    static const uint64_t bytes[] = {40, 120, 500, 1024, 4000};
    double before = 1e9;
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        size_t size;
        uint8_t *file = encode_photo(codec, photo, bytes[i], &size);
        CHECK(size > bytes[i] * 9 / 10);
        FlextokImage picture;
        CHECK_STATUS(codec, FLEXTOK_OK, flextok_decode(codec, file, size, NULL, FLEXTOK_FORMAT_RGB, &picture));
        CHECK(picture.size == photo->size);
        double error = 0;
        for (size_t at = 0; at < picture.size; at++) {
            double difference = (double)picture.pixels[at] - photo->pixels[at];
            error += difference * difference;
        }
        error /= (double)picture.size;
        CHECK(error < before && error < 3500);
        before = error;
        flextok_image_free(&picture);
        flextok_free(file);
    }
}

/* A cut is a complete file; a prefix decodes as well. */
static void cuts(FlextokCodec *codec, const Photo *photo) {
    size_t size, cut_size;
    uint8_t *file = encode_photo(codec, photo, 1000, &size), cut[100];
    CHECK(flextok_truncate(file, size, sizeof cut, cut, sizeof cut, &cut_size) == FLEXTOK_OK);
    CHECK(cut_size > 90 && cut_size <= sizeof cut);
    FlextokFileInfo info, whole;
    CHECK(flextok_file_info(cut, cut_size, &info) == FLEXTOK_OK && info.complete == 1);
    CHECK(info.width == photo->width && info.height == photo->height && info.coded == 1 && info.tables == 1);
    CHECK(flextok_file_info(file, size, &whole) == FLEXTOK_OK && whole.complete == 1);
    CHECK(whole.payload > info.payload && info.payload == info.payload_declared);
    CHECK(flextok_file_info(file, 100, &info) == FLEXTOK_OK && info.complete == 0);
    CHECK(info.payload_declared == whole.payload && info.payload < whole.payload);
    FlextokImage picture;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decode(codec, cut, cut_size, NULL, FLEXTOK_FORMAT_RGBA, &picture));
    CHECK(picture.stride == 4 * (size_t)photo->width && picture.pixels[3] == 255);
    flextok_image_free(&picture);
    flextok_free(file);
}

static void versions(void) {
    char text[40];
    sprintf(text, "%d.%d.%d", FLEXTOK_MAJOR, FLEXTOK_MINOR, FLEXTOK_PATCH);
    CHECK(strcmp(flextok_version_text(), text) == 0);
    CHECK(flextok_version() == ((uint32_t)FLEXTOK_MAJOR << 16 | FLEXTOK_MINOR << 8 | FLEXTOK_PATCH));
    CHECK(strcmp(flextok_status_text(FLEXTOK_OK), "ok") == 0);
    CHECK(strlen(flextok_status_text(FLEXTOK_BUSY)) > 3 && strlen(flextok_status_text(-5)) > 3);
}

int main(int argc, char **argv) {
    CHECK(argc > 1);
    Photo photo = load_photo(argv[1], 60);
    FlextokCodec *codec = flextok_codec_new();
    CHECK(codec != NULL);
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_threads(codec, 2));
    layouts(codec, &photo);
    budgets(codec, &photo);
    cuts(codec, &photo);
    versions();
    flextok_codec_free(codec);
    free(photo.pixels);
    return 0;
}
