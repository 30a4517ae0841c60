/* Encodes the picture of a file as token ids of a FlexTok model, and decodes them again. */
#include "common.h"
#include "flextok.h"

int main(int argc, char **argv) {
    FlextokImage image = {0}, again = {0};
    size_t size = 0, made_size = 0;
    uint8_t *made = NULL, *file = argc == 3 ? read_file(argv[2], &size) : NULL;
    FlextokCodec *builtin = flextok_codec_new(), *network = flextok_codec_new();
    if (file == NULL || flextok_codec_set_threads(builtin, 1) != FLEXTOK_OK
        || flextok_decode(builtin, file, size, NULL, FLEXTOK_FORMAT_RGB, &image) != FLEXTOK_OK) {
        fprintf(stderr, "%s\n", flextok_codec_message(builtin));
        return 1;
    }
    if (flextok_codec_set_threads(network, 1) != FLEXTOK_OK || flextok_codec_set_model(network, argv[1]) != FLEXTOK_OK
        || flextok_encode(network, image.pixels, image.size, image.width, image.height, image.stride, FLEXTOK_FORMAT_RGB,
                          NULL, &made, &made_size) != FLEXTOK_OK
        || flextok_decode(network, made, made_size, NULL, FLEXTOK_FORMAT_RGB, &again) != FLEXTOK_OK) {
        fprintf(stderr, "%s\n", flextok_codec_message(network));
        return 1;
    }
    printf("%lu bytes, %lux%lu\n", (unsigned long)made_size, (unsigned long)again.width, (unsigned long)again.height);
    flextok_free(made);
    flextok_image_free(&image);
    flextok_image_free(&again);
    flextok_codec_free(builtin);
    flextok_codec_free(network);
    free(file);
    return 0;
}
