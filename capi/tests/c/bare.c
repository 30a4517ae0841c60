/* What needs no handle: packets in any order and with losses, plain pictures, and lies to them. */

#include "common.h"

enum { PACKET = 90, GAP = 0xA5 };

/* Sends the packets that `lost` does not name, the last one first; gives what the joiner has. */
static FlextokJoined send(const uint8_t *file, size_t size, uint32_t lost, uint8_t *joined, size_t *joined_size) {
    uint8_t packet[PACKET], damaged[PACKET];
    static uint8_t map[64];
    size_t length;
    FlextokPackets packets;
    FlextokJoiner joiner;
    FlextokJoined state;
    CHECK(flextok_packets_init(&packets, file, size, PACKET) == FLEXTOK_OK);
    CHECK(packets.count == (size + PACKET - 9) / (PACKET - 8));
    CHECK(packets.bytes == size + 8 * (uint64_t)packets.count);
    CHECK(flextok_joiner_init(&joiner, joined, size, map, sizeof map) == FLEXTOK_OK);
    CHECK(flextok_joiner_state(&joiner, &state) == FLEXTOK_OK && state.bytes == 0 && state.total == 0 && !state.complete);
    for (uint32_t number = packets.count; number > 0; number--) {
        if (number - 1 == lost)
            continue;
        CHECK(flextok_packets_write(&packets, number - 1, packet, sizeof packet, &length) == FLEXTOK_OK);
        memcpy(damaged, packet, length);
        damaged[length / 2] ^= 4;
        CHECK(flextok_joiner_add(&joiner, damaged, length) == FLEXTOK_CORRUPT);
        CHECK(flextok_joiner_add(&joiner, packet, length - 1) == FLEXTOK_CORRUPT);
        CHECK(flextok_joiner_add(&joiner, packet, length) == FLEXTOK_OK);
        CHECK(flextok_joiner_add(&joiner, packet, length) == FLEXTOK_OK);
    }
    CHECK(flextok_joiner_add(&joiner, NULL, 9) == FLEXTOK_USAGE && flextok_joiner_add(NULL, packet, 9) == FLEXTOK_USAGE);
    CHECK(flextok_packets_write(&packets, packets.count, packet, sizeof packet, &length) == FLEXTOK_USAGE);
    CHECK(flextok_packets_write(&packets, 1 << 20, packet, sizeof packet, &length) == FLEXTOK_USAGE);
    CHECK(flextok_packets_write(&packets, 0, packet, PACKET - 1, &length) == FLEXTOK_USAGE);
    CHECK(flextok_packets_write(&packets, 0, NULL, PACKET, &length) == FLEXTOK_USAGE);
    CHECK(flextok_packets_write(&packets, 0, packet, sizeof packet, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_joiner_state(&joiner, NULL) == FLEXTOK_USAGE);
    CHECK(flextok_joiner_state(&joiner, &state) == FLEXTOK_OK);
    CHECK(flextok_joiner_finish(&joiner, joined_size) == FLEXTOK_OK && *joined_size == state.bytes);
    return state;
}

static void packets(const uint8_t *file, size_t size) {
    uint8_t *joined = take(size);
    size_t joined_size = 0;
    uint32_t count = (uint32_t)((size + PACKET - 9) / (PACKET - 8));
    FlextokJoined whole = send(file, size, UINT32_MAX, joined, &joined_size);
    CHECK(whole.complete && whole.total == count && whole.packets == count && whole.first_missing == count);
    CHECK(joined_size == size && memcmp(joined, file, size) == 0);
    FlextokJoined part = send(file, size, 3, joined, &joined_size);
    CHECK(!part.complete && part.total == count && part.packets == count - 1 && part.first_missing == 3);
    CHECK(joined_size == 3 * (PACKET - 8) && memcmp(joined, file, joined_size) == 0);
    FlextokFileInfo info;
    CHECK(flextok_file_info(joined, joined_size, &info) == FLEXTOK_OK && !info.complete);
    free(joined);
    FlextokPackets none;
    CHECK(flextok_packets_init(&none, file, size, 8) == FLEXTOK_USAGE);
    CHECK(flextok_packets_init(&none, file, size, 65536) == FLEXTOK_USAGE);
    CHECK(flextok_packets_init(&none, file, 0, PACKET) == FLEXTOK_USAGE);
    CHECK(flextok_packets_init(NULL, file, size, PACKET) == FLEXTOK_USAGE);
    FlextokJoiner joiner;
    uint8_t both[20];
    CHECK(flextok_joiner_init(&joiner, both, 15, both + 14, 5) == FLEXTOK_USAGE);
    CHECK(flextok_joiner_init(&joiner, NULL, 15, both, 5) == FLEXTOK_USAGE);
    CHECK(flextok_joiner_init(NULL, both, 10, both + 10, 5) == FLEXTOK_USAGE);
}

/* The picture of a codec with the look `plain`, in the rows of any stride and nowhere else. */
static void plain_pictures(FlextokCodec *codec, const uint8_t *file, size_t size) {
    FlextokDecodeOptions options = {0};
    options.look = FLEXTOK_LOOK_PLAIN;
    static const size_t gaps[] = {0, 1, 7};
    for (uint32_t channels = 3; channels <= 4; channels++)
        for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++)
            for (size_t bytes = 14; bytes < 2 * size; bytes *= 4) {
                FlextokFileInfo info;
                size_t there = bytes < size ? bytes : size;
                CHECK(flextok_file_info(file, there, &info) == FLEXTOK_OK);
                size_t row = (size_t)info.width * channels, stride = row + gaps[i];
                size_t all = stride * (info.height - 1) + row;
                uint8_t *pixels = take(all), *expected = take(all);
                memset(pixels, GAP, all);
                memset(expected, GAP, all);
                CHECK(flextok_plain_decode(file, there, 0, pixels, all, stride, channels) == FLEXTOK_OK);
                CHECK_STATUS(codec, FLEXTOK_OK,
                             flextok_decode_into(codec, file, there, &options, expected, all, stride, channels));
                CHECK(memcmp(pixels, expected, all) == 0);
                memset(pixels, GAP, all);
                CHECK(flextok_plain_decode(file, there, 0, pixels, all - 1, stride, channels) == FLEXTOK_USAGE);
                CHECK(flextok_plain_decode(file, there, 0, pixels, all, row - 1, channels) == FLEXTOK_USAGE);
                CHECK(flextok_plain_decode(file, there, 0, pixels, all, stride, 5) == FLEXTOK_USAGE);
                CHECK(flextok_plain_decode(file, there, 0, NULL, all, stride, channels) == FLEXTOK_USAGE);
                CHECK(flextok_plain_decode(file, there, 0, pixels, SIZE_MAX, SIZE_MAX / 2, channels) == FLEXTOK_USAGE);
                CHECK(flextok_plain_decode(file, there, 1000, pixels, all, stride, channels) == FLEXTOK_LIMIT);
                CHECK(flextok_plain_decode(file, 5, 0, pixels, all, stride, channels) == FLEXTOK_CORRUPT);
                CHECK(flextok_plain_decode(NULL, 5, 0, pixels, all, stride, channels) == FLEXTOK_USAGE);
                for (size_t k = 0; k < all; k++)
                    CHECK(pixels[k] == GAP);
                free(pixels);
                free(expected);
            }
}

/* Cuts in place would read what they wrote. */
static void overlaps(uint8_t *file, size_t size) {
    size_t cut_size = 0;
    uint8_t *before = take(size);
    memcpy(before, file, size);
    CHECK(flextok_truncate(file, size, 100, file, size, &cut_size) == FLEXTOK_USAGE);
    CHECK(flextok_truncate(file, size, 100, file + size - 1, 100, &cut_size) == FLEXTOK_USAGE);
    CHECK(memcmp(file, before, size) == 0 && cut_size == 0);
    free(before);
}

int main(int argc, char **argv) {
    CHECK(argc >= 2);
    Photo photo = load_photo(argv[1], 120);
    FlextokCodec *codec = flextok_codec_new();
    size_t size;
    CHECK_STATUS(codec, FLEXTOK_OK, flextok_codec_set_threads(codec, 1));
    uint8_t *file = encode_photo(codec, &photo, 900, &size);
    packets(file, size);
    plain_pictures(codec, file, size);
    overlaps(file, size);
    flextok_free(file);
    flextok_codec_free(codec);
    free(photo.pixels);
    puts("ok");
    return 0;
}
