/* The container alone: checks a file, cuts it, and sends it in packets to a joiner. */
#include "common.h"
#include "flextok.h"

/* Sends the packets backwards; the joiner has to have the file in the end. */
static int send(const uint8_t *file, size_t size) {
    static uint8_t packet[250], joined[1 << 16], map[64];
    FlextokPackets packets;
    FlextokJoiner joiner;
    FlextokJoined state;
    size_t length;
    uint32_t number;
    int failed = flextok_packets_init(&packets, file, size, sizeof packet);
    failed = failed || flextok_joiner_init(&joiner, joined, sizeof joined, map, sizeof map);
    for (number = failed ? 0 : packets.count; number > 0; number--) {
        failed = failed || flextok_packets_write(&packets, number - 1, packet, sizeof packet, &length);
        failed = failed || flextok_joiner_add(&joiner, packet, length);
    }
    failed = failed || flextok_joiner_state(&joiner, &state) || !state.complete;
    return failed || flextok_joiner_finish(&joiner, &length) || length != size;
}

int main(int argc, char **argv) {
    static uint8_t cut[100];
    FlextokFileInfo info;
    size_t size = 0, cut_size = 0;
    uint8_t *file = argc == 2 ? read_file(argv[1], &size) : NULL;
    if (file == NULL || flextok_file_info(file, size, &info) != FLEXTOK_OK
        || flextok_truncate(file, size, sizeof cut, cut, sizeof cut, &cut_size) != FLEXTOK_OK || send(file, size)) {
        return 1;
    }
    printf("%lux%lu, cut to %lu bytes\n", (unsigned long)info.width, (unsigned long)info.height, (unsigned long)cut_size);
    free(file);
    return 0;
}
