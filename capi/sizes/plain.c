/* A plain picture of a file, by the tables alone. */
#include "common.h"
#include "flextok.h"

int main(int argc, char **argv) {
    FlextokFileInfo info;
    size_t size = 0, pixels_size;
    uint8_t *pixels, *file = argc == 2 ? read_file(argv[1], &size) : NULL;
    if (file == NULL || flextok_file_info(file, size, &info) != FLEXTOK_OK) {
        return 1;
    }
    pixels_size = (size_t)3 * info.width * info.height;
    pixels = malloc(pixels_size);
    if (pixels == NULL || flextok_plain_decode(file, size, 0, pixels, pixels_size, 0, FLEXTOK_FORMAT_RGB) != FLEXTOK_OK) {
        return 1;
    }
    printf("%lux%lu, first sample %u\n", (unsigned long)info.width, (unsigned long)info.height, pixels[0]);
    free(pixels);
    free(file);
    return 0;
}
