/* Decodes a file with the learned decoder, and encodes the picture in 512 bytes. */
#include "common.h"
#include "flextok.h"

int main(int argc, char **argv) {
    FlextokEncodeOptions options = {0};
    FlextokImage image = {0};
    size_t size = 0, made_size = 0;
    uint8_t *made = NULL, *file = argc == 2 ? read_file(argv[1], &size) : NULL;
    FlextokCodec *codec = flextok_codec_new();
    options.bytes = 512;
    if (file == NULL || flextok_codec_set_threads(codec, 1) != FLEXTOK_OK
        || flextok_decode(codec, file, size, NULL, FLEXTOK_FORMAT_RGB, &image) != FLEXTOK_OK
        || flextok_encode(codec, image.pixels, image.size, image.width, image.height, image.stride, FLEXTOK_FORMAT_RGB,
                          &options, &made, &made_size) != FLEXTOK_OK) {
        fprintf(stderr, "%s\n", flextok_codec_message(codec));
        return 1;
    }
    printf("%lu bytes\n", (unsigned long)made_size);
    flextok_free(made);
    flextok_image_free(&image);
    flextok_codec_free(codec);
    free(file);
    return 0;
}
