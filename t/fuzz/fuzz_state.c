
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The state on disk.  Any text is tried as it is, and once more with the sum
 * that makes it whole, which no fuzzer would hit upon.
 */


#include <ctype.h>
#include <openssl/evp.h>

#include "fuzz.h"
#include "core/state.h"


#define FUZZ_POOL  "numbers"


static void fuzz_state_parse(const char *text, size_t len);
static void fuzz_state_round_trip(const char *text, size_t len,
    const state_range_t *ranges, size_t n);
static size_t fuzz_state_plain(char *text, size_t len);
static void fuzz_state_merge(const state_range_t *ranges, size_t n);
static void fuzz_state_merged(memory_merge_e rc, const memory_t *before,
    const memory_t *other, const memory_t *after);
static int fuzz_state_conflict(const memory_t *a, const memory_t *b);
static int fuzz_state_same_memory(const memory_t *a, const memory_t *b);
static int fuzz_state_same(const state_range_t *a, const state_range_t *b);
static void fuzz_state_name(const uint8_t *pool, size_t len);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char           *text, *p;
    unsigned        i, n;
    unsigned char   digest[EVP_MAX_MD_SIZE];

    text = fuzz_copy(data, size);
    fuzz_state_parse(text, size);
    free(text);

    fuzz_check(EVP_Digest(data, size, digest, &n, EVP_sha256(), NULL) == 1);

    text = fuzz_alloc(size + sizeof("sha256 \n") + 2 * n);

    if (size) {
        memcpy(text, data, size);
    }

    p = text + size;
    p += sprintf(p, "sha256 ");

    for (i = 0; i < n; i++) {
        p += sprintf(p, "%02x", digest[i]);
    }

    *p++ = '\n';

    text = realloc(text, (size_t) (p - text));
    fuzz_check(text != NULL);

    fuzz_state_parse(text, size + sizeof("sha256 \n") - 1 + 2 * n);
    free(text);

    fuzz_state_name(data, size);

    return 0;
}


static void
fuzz_state_parse(const char *text, size_t len)
{
    size_t          i, n;
    state_range_t  *ranges;

    ranges = fuzz_alloc(state_ranges(len) * sizeof(state_range_t));

    if (state_parse(text, len, FUZZ_POOL, ranges, &n) == STATE_OK) {

        fuzz_check(n < state_ranges(len));

        for (i = 0; i < n; i++) {
            fuzz_check(ranges[i].first <= ranges[i].last);
            fuzz_check(ranges[i].last <= INT64_MAX);
            fuzz_check(ranges[i].memory.epoch > 0);
            fuzz_check(ranges[i].memory.holder_serial == 0);
            fuzz_check(strlen(ranges[i].memory.incarnation) == MEMORY_UUID_LEN);
            fuzz_check(strlen(ranges[i].memory.digest) == MEMORY_DIGEST_LEN);
        }

        fuzz_state_round_trip(text, len, ranges, n);
        fuzz_state_merge(ranges, n);
    }

    free(ranges);
}


static void
fuzz_state_round_trip(const char *text, size_t len,
    const state_range_t *ranges, size_t n)
{
    char           *given, *printed;
    size_t          i, printed_len, again;
    state_range_t  *read;

    printed = fuzz_alloc(state_len(FUZZ_POOL, n));
    printed_len = state_print(printed, FUZZ_POOL, ranges, n);

    fuzz_check(printed_len > 0 && printed_len < state_len(FUZZ_POOL, n));

    printed = realloc(printed, printed_len);
    fuzz_check(printed != NULL);

    read = fuzz_alloc(state_ranges(printed_len) * sizeof(state_range_t));

    fuzz_check(state_parse(printed, printed_len, FUZZ_POOL, read, &again)
               == STATE_OK);
    fuzz_check(again == n);

    for (i = 0; i < n; i++) {
        fuzz_check(fuzz_state_same(&read[i], &ranges[i]));
    }

    /* a file that was cut short, or lost its first line, is worth nothing */

    fuzz_check(state_parse(printed, printed_len - 1, FUZZ_POOL, read, &again)
               == STATE_DAMAGED);
    fuzz_check(state_parse(printed + 1, printed_len - 1, FUZZ_POOL, read,
                           &again)
               == STATE_DAMAGED);

    free(read);

    /* nothing in the text was overlooked */

    given = fuzz_copy(text, len);
    len = fuzz_state_plain(given, len);
    printed_len = fuzz_state_plain(printed, printed_len);

    fuzz_check(len == printed_len && memcmp(given, printed, len) == 0);

    free(given);
    free(printed);
}


/* without the sum and leading zeros */

static size_t
fuzz_state_plain(char *text, size_t len)
{
    char    c, last;
    size_t  i, n;

    len -= sizeof("sha256 \n") - 1 + MEMORY_DIGEST_LEN;
    last = ' ';
    n = 0;

    for (i = 0; i < len; i++) {
        c = text[i];

        if (c == '0' && !isalnum((unsigned char) last)
            && isdigit((unsigned char) text[i + 1]))
        {
            continue;
        }

        text[n++] = c;
        last = c;
    }

    return n;
}


static void
fuzz_state_merge(const state_range_t *ranges, size_t n)
{
    size_t          i, j, k, all, found;
    state_range_t  *merged, before, range;
    memory_merge_e  rc;

    merged = fuzz_alloc(n * sizeof(state_range_t));
    all = 0;

    for (i = 0; i < n; i++) {

        for (j = 0; j < all; j++) {
            if (merged[j].first == ranges[i].first
                && merged[j].last == ranges[i].last)
            {
                break;
            }
        }

        if (j < all) {
            before = merged[j];
        }

        /* as a zone has it */

        range = ranges[i];
        range.memory.holder_serial = i + 1;

        found = all;
        rc = state_merge(merged, &found, &range);

        fuzz_check(found == (j < all ? all : all + 1));

        if (j < all) {
            fuzz_check(merged[j].first == before.first);
            fuzz_check(merged[j].last == before.last);
            fuzz_state_merged(rc, &before.memory, &ranges[i].memory,
                              &merged[j].memory);

        } else {
            fuzz_check(rc == MEMORY_CHANGED);
            fuzz_check(fuzz_state_same(&merged[j], &ranges[i]));
        }

        fuzz_check(merged[j].memory.holder_serial == 0);

        all = found;

        for (k = 0; k < all; k++) {
            fuzz_check(k == j || merged[k].first != merged[j].first
                       || merged[k].last != merged[j].last);
        }
    }

    fuzz_check(all <= n);

    free(merged);
}


static void
fuzz_state_merged(memory_merge_e rc, const memory_t *before,
    const memory_t *other, const memory_t *after)
{
    fuzz_check((rc == MEMORY_CONFLICT) == fuzz_state_conflict(before, other));
    fuzz_check((rc == MEMORY_CHANGED)
               == !fuzz_state_same_memory(before, after));

    /* the older one stays, of two that contradict each other as well */

    if (rc == MEMORY_CONFLICT || other->epoch < before->epoch) {
        fuzz_check(fuzz_state_same_memory(before, after));
        return;
    }

    if (other->epoch > before->epoch) {
        fuzz_check(fuzz_state_same_memory(other, after));
        return;
    }

    /* never less than either in this life, nor more than both */

    fuzz_check(after->epoch == before->epoch);
    fuzz_check(strcmp(after->incarnation, before->incarnation) == 0);
    fuzz_check(strcmp(after->digest, before->digest) == 0);

    fuzz_check(after->serial >= before->serial);
    fuzz_check(after->serial >= other->serial);
    fuzz_check(after->reserved >= before->reserved);
    fuzz_check(after->reserved >= other->reserved);
    fuzz_check(after->timeline >= before->timeline);
    fuzz_check(after->timeline >= other->timeline);

    fuzz_check(after->serial == before->serial
               || after->serial == other->serial);
    fuzz_check(after->reserved == before->reserved
               || after->reserved == other->reserved);
    fuzz_check(after->timeline == before->timeline
               || after->timeline == other->timeline);
}


static int
fuzz_state_conflict(const memory_t *a, const memory_t *b)
{
    return strcmp(a->digest, b->digest) != 0
           || (a->epoch == b->epoch
               && strcmp(a->incarnation, b->incarnation) != 0);
}


static int
fuzz_state_same_memory(const memory_t *a, const memory_t *b)
{
    return a->epoch == b->epoch
           && a->serial == b->serial
           && a->reserved == b->reserved
           && a->timeline == b->timeline
           && strcmp(a->incarnation, b->incarnation) == 0
           && strcmp(a->digest, b->digest) == 0;
}


static int
fuzz_state_same(const state_range_t *a, const state_range_t *b)
{
    return a->first == b->first
           && a->last == b->last
           && fuzz_state_same_memory(&a->memory, &b->memory);
}


/* good for a line and the name of a file, and no two pools have the same */

static void
fuzz_state_name(const uint8_t *pool, size_t len)
{
    char           *name, *p;
    size_t          i;
    unsigned        c;
    unsigned char  *copy;

    static const char  plain[] = "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-%";

    copy = (unsigned char *) fuzz_copy(pool, len);
    name = fuzz_alloc(3 * len + 1);

    state_name(name, copy, len);

    fuzz_check(strspn(name, plain) == strlen(name));

    p = name;

    for (i = 0; i < len; i++) {

        if (*p == '%') {
            fuzz_check(sscanf(p, "%%%2X", &c) == 1);
            p += 3;

        } else {
            c = (unsigned char) *p++;
        }

        fuzz_check(c == pool[i]);
    }

    fuzz_check(p == name + strlen(name));

    free(copy);
    free(name);
}
