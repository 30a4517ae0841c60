/* The program without the library: what the others are compared with. */
#include "common.h"

int main(int argc, char **argv) {
    size_t size = 0;
    uint8_t *file = argc == 2 ? read_file(argv[1], &size) : NULL;
    if (file == NULL) {
        return 1;
    }
    printf("%lu bytes\n", (unsigned long)size);
    free(file);
    return 0;
}
