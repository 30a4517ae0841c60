/*
 * Encodes a picture to a file of at most so many bytes, and decodes it as a receiver would: piece by piece.
 *
 *     cc encode_decode.c $(pkg-config --cflags --libs flextok) -o encode_decode
 *     ./encode_decode photo.ppm 512 photo.flxt decoded.ppm
 *
 * Pictures are PPM (P6), which `flextok decode`, ImageMagick and GIMP write.
 */

#include <flextok.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    uint8_t *pixels;
    size_t size;
    unsigned width, height;
} Picture;

/* A number of a PPM header, behind spaces and comments. */
static int read_number(FILE *in, unsigned *number) {
    int next = fgetc(in);
    while (next == '#' || next == ' ' || next == '\t' || next == '\r' || next == '\n') {
        if (next == '#')
            while (next != '\n' && next != EOF)
                next = fgetc(in);
        next = fgetc(in);
    }
    ungetc(next, in);
    return fscanf(in, "%9u", number) == 1;
}

static int read_ppm(const char *path, Picture *picture) {
    unsigned most;
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return 0;
    int right = fgetc(in) == 'P' && fgetc(in) == '6' && read_number(in, &picture->width) &&
                read_number(in, &picture->height) && read_number(in, &most) && most == 255 && fgetc(in) != EOF &&
                picture->width > 0 && picture->height > 0 && picture->width <= SIZE_MAX / 3 / picture->height;
    if (right) {
        picture->size = (size_t)3 * picture->width * picture->height;
        picture->pixels = malloc(picture->size);
        right = picture->pixels != NULL && fread(picture->pixels, 1, picture->size, in) == picture->size;
    }
    fclose(in);
    return right;
}

static int write_file(const char *path, const void *head, size_t head_size, const void *data, size_t size) {
    FILE *out = fopen(path, "wb");
    if (out == NULL)
        return 0;
    int right = fwrite(head, 1, head_size, out) == head_size && fwrite(data, 1, size, out) == size;
    return fclose(out) == 0 && right;
}

/* The file arrives in pieces of 100 bytes; what can be shown is said, and the last picture is kept. */
static FlextokStatus receive(FlextokDecoder *decoder, const uint8_t *file, size_t size, FlextokImage *image) {
    FlextokStatus status = FLEXTOK_OK;
    for (size_t at = 0; at < size && status == FLEXTOK_OK; at += 100) {
        FlextokArrived arrived;
        status = flextok_decoder_feed(decoder, file + at, size - at < 100 ? size - at : 100);
        if (status == FLEXTOK_OK)
            status = flextok_decoder_arrived(decoder, &arrived);
        if (status == FLEXTOK_OK)
            printf("%llu of %llu bytes of the picture\n", (unsigned long long)arrived.units,
                   (unsigned long long)arrived.total);
    }
    if (status == FLEXTOK_OK)
        status = flextok_decoder_finish(decoder, NULL);
    return status == FLEXTOK_OK ? flextok_decoder_picture(decoder, FLEXTOK_FORMAT_RGB, image) : status;
}

int main(int argc, char **argv) {
    Picture picture = {0};
    if (argc != 5 || !read_ppm(argv[1], &picture)) {
        fprintf(stderr, "usage: %s PHOTO.ppm BYTES FILE.flxt DECODED.ppm\n", argv[0]);
        free(picture.pixels);
        return 2;
    }

    FlextokCodec *codec = flextok_codec_new();
    FlextokDecoder *decoder = NULL;
    FlextokImage image = {0};
    FlextokEncodeOptions options = {0};
    uint8_t *file = NULL;
    size_t size = 0;
    options.bytes = strtoull(argv[2], NULL, 10);

    FlextokStatus status = flextok_encode(codec, picture.pixels, picture.size, picture.width, picture.height, 0,
                                          FLEXTOK_FORMAT_RGB, &options, &file, &size);
    if (status == FLEXTOK_OK)
        status = flextok_decoder_new(codec, NULL, &decoder);
    if (status != FLEXTOK_OK) {
        fprintf(stderr, "%s\n", flextok_codec_message(codec));
    } else {
        status = receive(decoder, file, size, &image);
        if (status != FLEXTOK_OK)
            fprintf(stderr, "%s\n", flextok_decoder_message(decoder));
    }

    int written = 0;
    if (status == FLEXTOK_OK) {
        char head[64];
        int length = sprintf(head, "P6\n%u %u\n255\n", (unsigned)image.width, (unsigned)image.height);
        written = write_file(argv[3], "", 0, file, size) &&
                  write_file(argv[4], head, (size_t)length, image.pixels, image.size);
        if (!written)
            perror("cannot write");
    }

    flextok_image_free(&image);
    flextok_free(file);
    flextok_decoder_free(decoder);
    flextok_codec_free(codec);
    free(picture.pixels);
    return written ? 0 : 1;
}
