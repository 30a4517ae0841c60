/* The best picture of a file, with the learned decoder. */
#include "common.h"
#include "flextok.h"

int main(int argc, char **argv) {
    FlextokImage image = {0};
    size_t size = 0;
    uint8_t *file = argc == 2 ? read_file(argv[1], &size) : NULL;
    FlextokCodec *codec = flextok_codec_new();
    if (file == NULL || flextok_codec_set_threads(codec, 1) != FLEXTOK_OK
        || flextok_decode(codec, file, size, NULL, FLEXTOK_FORMAT_RGB, &image) != FLEXTOK_OK) {
        fprintf(stderr, "%s\n", flextok_codec_message(codec));
        return 1;
    }
    printf("%lux%lu, first sample %u\n", (unsigned long)image.width, (unsigned long)image.height, image.pixels[0]);
    flextok_image_free(&image);
    flextok_codec_free(codec);
    free(file);
    return 0;
}
