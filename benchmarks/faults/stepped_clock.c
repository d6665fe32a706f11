/* A wall clock that can be stepped: preloaded, it adds the milliseconds that stand in a mapped file to what the
 * system says. Monotonic clocks and sleeps are left alone, as a real step of the clock leaves them alone.
 *
 * Not libfaketime: its 0.9.10 takes CLOCK_MONOTONIC for faked in clock_nanosleep whatever its settings say, and a
 * Python process fails in its first time.sleep. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_ms;
static int (*true_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    true_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("STEPPED_CLOCK_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (at != MAP_FAILED) offset_ms = at;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!true_gettime) begin();
    int result = true_gettime(clock, now);
    if (result == 0 && offset_ms && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t ns = now->tv_nsec + (*offset_ms % 1000) * 1000000;
        now->tv_sec += *offset_ms / 1000;
        if (ns < 0) { ns += 1000000000; now->tv_sec--; }
        if (ns >= 1000000000) { ns -= 1000000000; now->tv_sec++; }
        now->tv_nsec = ns;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec exact;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

time_t time(time_t *out) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (out) *out = exact.tv_sec;
    return exact.tv_sec;
}
