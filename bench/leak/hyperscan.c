/*
 * Searches a file for fixed byte strings with Hyperscan, reading 1 MiB at a time into one buffer.
 *
 *   hyperscan PATTERNS FILE [list]
 *
 * PATTERNS holds for each pattern its length as four bytes, low one first, and its bytes. Prints the CPU-seconds of the
 * loop alone and the number of hits; with `list` before that each hit as "pattern end".
 */
#include <fcntl.h>
#include <hs/hs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CHUNK (1 << 20)

static unsigned long long hits;
static int listing;

static int on_hit(unsigned int id, unsigned long long from, unsigned long long to, unsigned int flags, void *context) {
  (void)from, (void)flags, (void)context;
  hits += 1;
  if (listing) printf("%u %llu\n", id, to);
  return 0;
}

static void must(int holds, const char *what) {
  if (holds) return;
  fprintf(stderr, "hyperscan: %s\n", what);
  exit(1);
}

static double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)used.ru_utime.tv_sec + (double)used.ru_stime.tv_sec + (double)used.ru_utime.tv_usec / 1e6 +
         (double)used.ru_stime.tv_usec / 1e6;
}

int main(int argc, char **argv) {
  must(argc >= 3, "PATTERNS FILE [list]");
  listing = argc > 3;
  FILE *in = fopen(argv[1], "rb");
  must(in != NULL, "cannot open the patterns");
  unsigned int count = 0, room = 16;
  char **patterns = malloc(room * sizeof *patterns);
  size_t *lengths = malloc(room * sizeof *lengths);
  uint32_t length;
  while (fread(&length, sizeof length, 1, in) == 1) {
    if (count == room) {
      room *= 2;
      patterns = realloc(patterns, room * sizeof *patterns);
      lengths = realloc(lengths, room * sizeof *lengths);
    }
    patterns[count] = malloc(length);
    must(fread(patterns[count], 1, length, in) == length, "the patterns end too early");
    lengths[count++] = length;
  }
  unsigned int *flags = calloc(count, sizeof *flags);
  unsigned int *ids = malloc(count * sizeof *ids);
  for (unsigned int at = 0; at < count; at += 1) ids[at] = at;

  hs_database_t *database;
  hs_compile_error_t *error;
  must(hs_compile_lit_multi((const char *const *)patterns, flags, ids, lengths, count, HS_MODE_STREAM, NULL, &database,
                            &error) == HS_SUCCESS,
       "cannot compile");
  hs_scratch_t *scratch = NULL;
  hs_stream_t *stream;
  must(hs_alloc_scratch(database, &scratch) == HS_SUCCESS, "no scratch");
  must(hs_open_stream(database, 0, &stream) == HS_SUCCESS, "no stream");

  int file = open(argv[2], O_RDONLY);
  must(file >= 0, "cannot open the file");
  char *buffer = malloc(CHUNK);
  double begun = cpu_seconds();
  ssize_t size;
  while ((size = read(file, buffer, CHUNK)) > 0)
    must(hs_scan_stream(stream, buffer, (unsigned int)size, 0, scratch, on_hit, NULL) == HS_SUCCESS, "cannot scan");
  must(hs_close_stream(stream, scratch, on_hit, NULL) == HS_SUCCESS, "cannot end");
  printf("%.6f %llu\n", cpu_seconds() - begun, hits);
  return 0;
}
