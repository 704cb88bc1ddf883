
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A text that is not whole is worth nothing: with a number missing or changed
 * it would fence a range for no reason, or fail to.
 */


#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <openssl/evp.h>

#include "core/number.h"
#include "core/state.h"


#define STATE_VERSION  "unique_random state "
#define STATE_SHA256   "sha256 "


typedef struct {
    const char  *pos;
    const char  *last;
} state_text_t;


static state_result_e state_head(state_text_t *rest, const char *pool);
static int state_line(state_text_t *text, state_text_t *line);
static int state_range(state_text_t *line, state_range_t *range);
static int state_word(state_text_t *line, const char *word);
static int state_number(state_text_t *line, char end, uint64_t *number);
static int state_string(state_text_t *line, char *to, size_t len);
static int state_sha256(const char *text, size_t len, char *hex);


void
state_name(char *name, const unsigned char *pool, size_t len)
{
    size_t  i;

    static const char  plain[] = "abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    for (i = 0; i < len; i++) {

        if (pool[i] && strchr(plain, pool[i])) {
            *name++ = (char) pool[i];
            continue;
        }

        sprintf(name, "%%%02X", pool[i]);
        name += 3;
    }

    *name = '\0';
}


state_result_e
state_parse(const char *text, size_t len, const char *pool,
    state_range_t *ranges, size_t *n)
{
    char            hex[MEMORY_DIGEST_LEN + 1];
    state_text_t    rest, line;
    state_result_e  rc;

    *n = 0;

    rest.pos = text;
    rest.last = text + len;

    rc = state_head(&rest, pool);

    if (rc != STATE_OK) {
        return rc;
    }

    for ( ;; ) {
        len = (size_t) (rest.pos - text);

        if (state_line(&rest, &line) != 0) {
            return STATE_DAMAGED;
        }

        if (state_word(&line, STATE_SHA256) == 0) {
            break;
        }

        if (state_range(&line, &ranges[*n]) != 0) {
            return STATE_DAMAGED;
        }

        (*n)++;
    }

    if (state_sha256(text, len, hex) != 0
        || rest.pos != rest.last
        || line.last - line.pos != MEMORY_DIGEST_LEN
        || memcmp(line.pos, hex, MEMORY_DIGEST_LEN) != 0)
    {
        return STATE_DAMAGED;
    }

    return STATE_OK;
}


static state_result_e
state_head(state_text_t *rest, const char *pool)
{
    uint64_t      version;
    state_text_t  line;

    if (state_line(rest, &line) != 0
        || state_word(&line, STATE_VERSION) != 0
        || state_number(&line, '\0', &version) != 0)
    {
        return STATE_DAMAGED;
    }

    if (version != 1) {
        return STATE_LATER;
    }

    if (state_line(rest, &line) != 0 || state_word(&line, "pool ") != 0) {
        return STATE_DAMAGED;
    }

    if ((size_t) (line.last - line.pos) != strlen(pool)
        || memcmp(line.pos, pool, strlen(pool)) != 0)
    {
        return STATE_FOREIGN;
    }

    return STATE_OK;
}


size_t
state_print(char *text, const char *pool, const state_range_t *ranges,
    size_t n)
{
    char             *p, hex[MEMORY_DIGEST_LEN + 1];
    size_t            i;
    const memory_t   *m;

    p = text;
    p += sprintf(p, STATE_VERSION "1\npool %s\n", pool);

    for (i = 0; i < n; i++) {
        m = &ranges[i].memory;

        p += sprintf(p, "range %" PRIu64 "-%" PRIu64 " epoch %" PRIu64
                     " incarnation %s serial %" PRIu64 " reserved %" PRIu64
                     " timeline %" PRIu64 " key %s\n",
                     ranges[i].first, ranges[i].last, m->epoch,
                     m->incarnation, m->serial, m->reserved, m->timeline,
                     m->digest);
    }

    if (state_sha256(text, (size_t) (p - text), hex) != 0) {
        return 0;
    }

    p += sprintf(p, STATE_SHA256 "%s\n", hex);

    return (size_t) (p - text);
}


memory_merge_e
state_merge(state_range_t *ranges, size_t *n, const state_range_t *range)
{
    size_t         i;
    state_range_t  kept;

    kept = *range;
    kept.memory.holder_serial = 0;

    for (i = 0; i < *n; i++) {

        if (ranges[i].first == kept.first && ranges[i].last == kept.last) {
            return memory_merge(&ranges[i].memory, &kept.memory);
        }
    }

    ranges[(*n)++] = kept;

    return MEMORY_CHANGED;
}


static int
state_line(state_text_t *text, state_text_t *line)
{
    const char  *end;

    end = memchr(text->pos, '\n', (size_t) (text->last - text->pos));

    if (end == NULL) {
        return -1;
    }

    line->pos = text->pos;
    line->last = end;

    text->pos = end + 1;

    return 0;
}


static int
state_range(state_text_t *line, state_range_t *range)
{
    memory_t  *m;

    memset(range, 0, sizeof(state_range_t));

    m = &range->memory;

    if (state_word(line, "range ") != 0
        || state_number(line, '-', &range->first) != 0
        || state_number(line, ' ', &range->last) != 0
        || state_word(line, "epoch ") != 0
        || state_number(line, ' ', &m->epoch) != 0
        || state_word(line, "incarnation ") != 0
        || state_string(line, m->incarnation, MEMORY_UUID_LEN) != 0
        || state_word(line, " serial ") != 0
        || state_number(line, ' ', &m->serial) != 0
        || state_word(line, "reserved ") != 0
        || state_number(line, ' ', &m->reserved) != 0
        || state_word(line, "timeline ") != 0
        || state_number(line, ' ', &m->timeline) != 0
        || state_word(line, "key ") != 0
        || state_string(line, m->digest, MEMORY_DIGEST_LEN) != 0
        || line->pos != line->last)
    {
        return -1;
    }

    return (range->first <= range->last && m->epoch) ? 0 : -1;
}


static int
state_word(state_text_t *line, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (line->last - line->pos) < len
        || memcmp(line->pos, word, len) != 0)
    {
        return -1;
    }

    line->pos += len;

    return 0;
}


/* up to "end" and past it, or with '\0', up to the end of the line */

static int
state_number(state_text_t *line, char end, uint64_t *number)
{
    const char  *p, *last;

    p = line->pos;
    last = end ? memchr(p, end, (size_t) (line->last - p)) : line->last;

    if (last == NULL) {
        return -1;
    }

    line->pos = end ? last + 1 : last;

    return number_parse(p, (size_t) (last - p), number);
}


/* of hexadecimal digits and '-' */

static int
state_string(state_text_t *line, char *to, size_t len)
{
    if ((size_t) (line->last - line->pos) < len) {
        return -1;
    }

    memcpy(to, line->pos, len);
    to[len] = '\0';

    line->pos += len;

    return strspn(to, "0123456789abcdef-") == len ? 0 : -1;
}


static int
state_sha256(const char *text, size_t len, char *hex)
{
    unsigned        i, n;
    unsigned char   digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(text, len, digest, &n, EVP_sha256(), NULL) != 1) {
        return -1;
    }

    for (i = 0; i < n; i++) {
        sprintf(&hex[2 * i], "%02x", digest[i]);
    }

    return 0;
}
