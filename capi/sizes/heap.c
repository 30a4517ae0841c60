/*
 * The most memory that a program has from malloc and its like at one time. Linked with -Wl,--wrap for each of them; says it
 * on stderr when the program ends.
 */
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void __real_free(void *memory);

static atomic_size_t now, peak;

static void *taken(void *memory) {
    size_t all = memory == NULL ? 0 : atomic_fetch_add(&now, malloc_usable_size(memory)) + malloc_usable_size(memory);
    size_t most = atomic_load(&peak);
    while (all > most && !atomic_compare_exchange_weak(&peak, &most, all)) {
    }
    return memory;
}

void *__wrap_malloc(size_t size) {
    return taken(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size) {
    return taken(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t size) {
    /* Where it moves, both are there for a moment. */
    size_t before = memory == NULL ? 0 : malloc_usable_size(memory);
    void *moved = taken(__real_realloc(memory, size));
    if (moved != NULL) {
        atomic_fetch_sub(&now, before);
    }
    return moved;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size) {
    return taken(__real_aligned_alloc(alignment, size));
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size) {
    int failed = __real_posix_memalign(memory, alignment, size);
    if (!failed) {
        taken(*memory);
    }
    return failed;
}

void __wrap_free(void *memory) {
    if (memory != NULL) {
        atomic_fetch_sub(&now, malloc_usable_size(memory));
        __real_free(memory);
    }
}

__attribute__((destructor)) static void report(void) {
    fprintf(stderr, "%zu\n", atomic_load(&peak));
}
