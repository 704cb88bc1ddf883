
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The files of a pool's state.  All calls block.
 */


#ifndef _NGX_UR_STATE_FILE_H_INCLUDED_
#define _NGX_UR_STATE_FILE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/state.h"


/* the longest "name" of a pool that the names of its files have place for */
#define NGX_UR_STATE_NAME  (NAME_MAX - (sizeof(".state.damaged") - 1))


typedef struct {
    ngx_cycle_t  *cycle;
    ngx_str_t    *pool;                 /* its name */
    char         *name;                 /* of the pool, as a file has it */
    u_char       *folder;
    u_char       *path;
    u_char       *temp;
    u_char       *lock;
    u_char       *damaged;
    ngx_uint_t    busy;                 /* tries in a row that met a lock */
    unsigned      checked:1;            /* whether it can be written */
    unsigned      unsaved:1;            /* it could not be written, which was
                                           logged */
} ngx_ur_state_file_t;


/* the files of the pool of this name in the folder; nothing is opened yet */
ngx_int_t ngx_ur_state_file_init(ngx_conf_t *cf, ngx_ur_state_file_t *file,
    ngx_str_t *folder, ngx_str_t *pool);

/*
 * Makes the folder, unless it is there, and gives it to the user of the
 * workers.  Where that is refused they may be able to write all the same.
 */
ngx_int_t ngx_ur_state_file_folder(ngx_ur_state_file_t *file, ngx_log_t *log);

/* says, once, that the folder cannot be written by this process, if so */
void ngx_ur_state_file_check(ngx_ur_state_file_t *file, ngx_log_t *log);

/*
 * Allocates "ranges", with place for "more", which the caller frees, unless it
 * returns NGX_ERROR, or NGX_ABORT: the file is another pool's.  NGX_DONE: there
 * is none, NGX_DECLINED: it is damaged, NGX_AGAIN: it cannot be read.
 */
ngx_int_t ngx_ur_state_file_load(ngx_ur_state_file_t *file, size_t more,
    state_range_t **ranges, size_t *n, ngx_log_t *log);

/* the old one or the new one is there at any time */
ngx_int_t ngx_ur_state_file_replace(ngx_ur_state_file_t *file, u_char *text,
    size_t len, ngx_log_t *log);

/* a file that was put in the place of another one is there after a crash */
ngx_int_t ngx_ur_state_file_sync(ngx_ur_state_file_t *file, ngx_log_t *log);

/* whether the state is on disk now; if not, failures are news no more */
void ngx_ur_state_file_saved(ngx_ur_state_file_t *file, ngx_uint_t saved,
    ngx_log_t *log);

/*
 * A file of its own, since the state is replaced.  To be closed, which unlocks
 * it.  NGX_BUSY: others do not let go of it, which is no failure if somebody
 * will be here "again".
 */
ngx_int_t ngx_ur_state_file_lock(ngx_ur_state_file_t *file, ngx_fd_t *fd,
    ngx_uint_t again, ngx_log_t *log);

/*
 * A file that is of no use is put aside, where an operator finds it: as long
 * as it is there, it is not known what was remembered.
 */
void ngx_ur_state_file_put_aside(ngx_ur_state_file_t *file, ngx_log_t *log);
ngx_uint_t ngx_ur_state_file_damaged(ngx_ur_state_file_t *file);


#endif /* _NGX_UR_STATE_FILE_H_INCLUDED_ */
