/* FlexTok models: from a file and from bytes, tokens, steps, seeds, and files of another model. */

#include "common.h"

static uint8_t *read_all(const char *path, size_t *size) {
    FILE *in = fopen(path, "rb");
    CHECK(in != NULL && fseek(in, 0, SEEK_END) == 0);
    *size = (size_t)ftell(in);
    rewind(in);
    uint8_t *data = take(*size);
    CHECK(fread(data, 1, *size, in) == *size);
    fclose(in);
    return data;
}

static uint8_t *encode(FlextokCodec *codec, const Photo *photo, uint32_t tokens, size_t *size) {
    FlextokEncodeOptions options = {0};
    uint8_t *file;
    options.tokens = tokens;
    CHECK_STATUS(codec, FLEXTOK_OK,
                 flextok_encode(codec, photo->pixels, photo->size, photo->width, photo->height, 0, FLEXTOK_FORMAT_RGB,
                                &options, &file, size));
    return file;
}

static FlextokImage decode(FlextokCodec *codec, const uint8_t *file, size_t size, FlextokDecodeOptions options) {
    FlextokImage picture;
    options.steps = 2;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_decode(codec, file, size, &options, FLEXTOK_FORMAT_RGB, &picture));
    return picture;
}

/* Whether other options make another picture. */
static int differs(FlextokCodec *codec, const uint8_t *file, size_t size, FlextokDecodeOptions options) {
    FlextokDecodeOptions none = {0};
    FlextokImage one = decode(codec, file, size, none), other = decode(codec, file, size, options);
    int differ = one.size != other.size || memcmp(one.pixels, other.pixels, one.size) != 0;
    flextok_image_free(&one);
    flextok_image_free(&other);
    return differ;
}

int main(int argc, char **argv) {
    CHECK(argc > 2);
    Photo photo = load_photo(argv[1], 40);
    FlextokCodec *codec = flextok_codec_new(), *builtin = flextok_codec_new();
    size_t model_size, size, same_size;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_model(codec, argv[2]));
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_open(codec));
    uint8_t *file = encode(codec, &photo, 4, &size);
    FlextokFileInfo info;
    CHECK(flextok_file_info(file, size, &info) == FLEXTOK_OK && info.coded == 0 && info.tables == 0);
    CHECK(info.width == photo.width && info.height == photo.height);

    uint8_t *model = read_all(argv[2], &model_size);
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_model_bytes(codec, model, model_size));
    /* They were copied. */
    memset(model, 0, model_size);
    uint8_t *same = encode(codec, &photo, 4, &same_size);
    CHECK(size == same_size && memcmp(file, same, size) == 0);

    FlextokDecodeOptions tokens = {0}, seed = {0}, guidance = {0}, all = {0};
    tokens.tokens = 1;
    seed.seed = 5;
    guidance.guidance = FLEXTOK_GUIDANCE_CFG;
    guidance.guidance_scale = 3;
    all.tokens = 4;
    CHECK(differs(codec, file, size, tokens) && differs(codec, file, size, seed) && differs(codec, file, size, guidance));
    CHECK(!differs(codec, file, size, all));

    FlextokImage picture;
    CHECK_REFUSED(builtin, FLEXTOK_MODEL, "model", flextok_decode(builtin, file, size, NULL, FLEXTOK_FORMAT_RGB, &picture));
    FlextokDecoder *decoder;
    CHECK_STATUS(builtin, FLEXTOK_OK, flextok_decoder_new(builtin, NULL, &decoder));
    CHECK(flextok_decoder_feed(decoder, file, size) == FLEXTOK_MODEL);
    CHECK(flextok_decoder_picture(decoder, FLEXTOK_FORMAT_RGB, &picture) == FLEXTOK_MODEL);
    flextok_decoder_free(decoder);
    /* No more steps than the limit. */
    FlextokDecodeOptions steps = {0};
    steps.steps = 1001;
    CHECK_REFUSED(codec, FLEXTOK_LIMIT, "1001", flextok_decode(codec, file, size, &steps, FLEXTOK_FORMAT_RGB, &picture));

    free(model);
    flextok_free(file);
    flextok_free(same);
    flextok_codec_free(codec);
    flextok_codec_free(builtin);
    free(photo.pixels);
    return 0;
}
