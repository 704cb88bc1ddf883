
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The files of a pool's state: read, replaced as a whole, locked.  What fails
 * is logged once, until the state has been written again.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/state.h"
#include "zone/state_file.h"

#include <sys/file.h>


/* how long to wait for another one that writes, in steps of 10 ms */
#define NGX_UR_STATE_TRIES  20

/* and how often that may be in vain, where it is tried again */
#define NGX_UR_STATE_BUSY   10

#define NGX_UR_STATE_MAX    (16 * 1024 * 1024)


static ngx_int_t ngx_ur_state_file_parse(ngx_ur_state_file_t *file,
    u_char *text, size_t len, state_range_t *ranges, size_t *n,
    ngx_log_t *log);
static ngx_int_t ngx_ur_state_file_read(ngx_ur_state_file_t *file,
    u_char **text, size_t *len, ngx_log_t *log);
static ngx_int_t ngx_ur_state_file_failed(ngx_ur_state_file_t *file,
    ngx_log_t *log, char *call, u_char *name);


ngx_int_t
ngx_ur_state_file_init(ngx_conf_t *cf, ngx_ur_state_file_t *file,
    ngx_str_t *folder, ngx_str_t *pool)
{
    size_t   len;
    u_char  *p;

    len = 3 * pool->len + 1;

    p = ngx_pnalloc(cf->pool,
                    len + 4 * (folder->len + len + sizeof("/.state.damaged")));
    if (p == NULL) {
        return NGX_ERROR;
    }

    file->cycle = cf->cycle;
    file->pool = pool;
    file->folder = folder->data;

    file->name = (char *) p;
    state_name(file->name, pool->data, pool->len);

    file->path = p + ngx_strlen(p) + 1;
    file->temp = ngx_sprintf(file->path, "%V/%s.state%Z", folder, file->name);
    file->lock = ngx_sprintf(file->temp, "%V/%s.state.new%Z", folder,
                             file->name);
    file->damaged = ngx_sprintf(file->lock, "%V/%s.state.lock%Z", folder,
                                file->name);
    ngx_sprintf(file->damaged, "%V/%s.state.damaged%Z", folder, file->name);

    return NGX_OK;
}


ngx_int_t
ngx_ur_state_file_folder(ngx_ur_state_file_t *file, ngx_log_t *log)
{
    ngx_uid_t         user;
    ngx_file_info_t   fi;
    ngx_core_conf_t  *ccf;

    if (ngx_create_dir(file->folder, 0700) == NGX_FILE_ERROR
        && ngx_errno != NGX_EEXIST)
    {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      ngx_create_dir_n " \"%s\" failed", file->folder);
        return NGX_ERROR;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(file->cycle->conf_ctx,
                                           ngx_core_module);
    user = ccf->user;

    if (user == (ngx_uid_t) NGX_CONF_UNSET_UINT) {
        return NGX_OK;
    }

    if (ngx_file_info(file->folder, &fi) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_EMERG, log, ngx_errno,
                      ngx_file_info_n " \"%s\" failed", file->folder);
        return NGX_ERROR;
    }

    if (fi.st_uid != user && chown((char *) file->folder, user, -1) == -1) {
        ngx_log_error(NGX_LOG_NOTICE, log, ngx_errno,
                      "chown() \"%s\" failed, it is left to its owner",
                      file->folder);
    }

    return NGX_OK;
}


void
ngx_ur_state_file_check(ngx_ur_state_file_t *file, ngx_log_t *log)
{
    if (file->checked) {
        return;
    }

    file->checked = 1;

    if (access((char *) file->folder, R_OK|W_OK|X_OK) == -1) {
        (void) ngx_ur_state_file_failed(file, log, "access()", file->folder);
        file->unsaved = 1;
    }
}


ngx_int_t
ngx_ur_state_file_load(ngx_ur_state_file_t *file, size_t more,
    state_range_t **ranges, size_t *n, ngx_log_t *log)
{
    size_t      len;
    u_char     *text;
    ngx_int_t   rc;

    *n = 0;

    rc = ngx_ur_state_file_read(file, &text, &len, log);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    *ranges = ngx_alloc((state_ranges(len) + more) * sizeof(state_range_t),
                        log);
    if (*ranges == NULL) {
        rc = NGX_ERROR;

    } else if (rc == NGX_OK) {
        rc = ngx_ur_state_file_parse(file, text, len, *ranges, n, log);
        if (rc == NGX_ABORT) {
            ngx_free(*ranges);
        }
    }

    if (text) {
        ngx_free(text);
    }

    return rc;
}


static ngx_int_t
ngx_ur_state_file_parse(ngx_ur_state_file_t *file, u_char *text, size_t len,
    state_range_t *ranges, size_t *n, ngx_log_t *log)
{
    ngx_uint_t  level;

    level = file->unsaved ? NGX_LOG_INFO : NGX_LOG_EMERG;

    switch (state_parse((char *) text, len, file->name, ranges, n)) {

    case STATE_OK:
        return NGX_OK;

    case STATE_FOREIGN:
        ngx_log_error(level, log, 0,
                      "\"%s\" is the state of another pool than \"%s\"",
                      file->path, file->name);
        return NGX_ABORT;

    case STATE_LATER:
        ngx_log_error(level, log, 0,
                      "\"%s\" was written by a later version of this "
                      "module", file->path);
        return NGX_ABORT;

    default: /* STATE_DAMAGED */
        ngx_log_error(ngx_max(level, NGX_LOG_ALERT), log, 0,
                      "\"%s\" is damaged: what it remembered of the ranges of "
                      "unique_random_pool \"%V\" is lost",
                      file->path, file->pool);
        *n = 0;
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_ur_state_file_read(ngx_ur_state_file_t *file, u_char **text, size_t *len,
    ngx_log_t *log)
{
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    *text = NULL;
    *len = 0;

    fd = ngx_open_file(file->path, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno == NGX_ENOENT) {
            return NGX_DONE;
        }

        (void) ngx_ur_state_file_failed(file, log, ngx_open_file_n,
                                        file->path);
        return NGX_AGAIN;
    }

    rc = NGX_AGAIN;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        (void) ngx_ur_state_file_failed(file, log, ngx_fd_info_n, file->path);
        goto done;
    }

    *len = ngx_min(ngx_file_size(&fi), NGX_UR_STATE_MAX);

    *text = ngx_alloc(*len + 1, log);

    if (*text == NULL) {
        rc = NGX_ERROR;
        goto done;
    }

    n = ngx_read_fd(fd, *text, *len);

    if (n == -1) {
        (void) ngx_ur_state_file_failed(file, log, ngx_read_fd_n, file->path);
        *len = 0;
        goto done;
    }

    *len = n;
    rc = NGX_OK;

done:

    (void) ngx_close_file(fd);

    return rc;
}


ngx_int_t
ngx_ur_state_file_replace(ngx_ur_state_file_t *file, u_char *text, size_t len,
    ngx_log_t *log)
{
    char      *call;
    ngx_fd_t   fd;

    fd = ngx_open_file(file->temp, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE,
                       NGX_FILE_OWNER_ACCESS);

    if (fd == NGX_INVALID_FILE) {
        return ngx_ur_state_file_failed(file, log, ngx_open_file_n,
                                        file->temp);
    }

    call = NULL;

    /* a short write is a full disk: the rest would tell */

    ngx_set_errno(NGX_ENOSPC);

    if (ngx_write_fd(fd, text, len) != (ssize_t) len) {
        call = ngx_write_fd_n;

    } else if (fsync(fd) == -1) {
        call = "fsync()";
    }

    if (call) {
        (void) ngx_ur_state_file_failed(file, log, call, file->temp);
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR && call == NULL) {
        call = ngx_close_file_n;
        (void) ngx_ur_state_file_failed(file, log, call, file->temp);
    }

    if (call) {
        (void) ngx_delete_file(file->temp);
        return NGX_ERROR;
    }

    if (ngx_rename_file(file->temp, file->path) == NGX_FILE_ERROR) {
        return ngx_ur_state_file_failed(file, log, ngx_rename_file_n,
                                        file->path);
    }

    return ngx_ur_state_file_sync(file, log);
}


ngx_int_t
ngx_ur_state_file_sync(ngx_ur_state_file_t *file, ngx_log_t *log)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = ngx_open_file(file->folder, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    rc = NGX_OK;

    /*
     * EINVAL: the file system knows no fsync() of folders, and there is nothing
     * else to do.  Any other error may be a loss.
     */

    if (fd == NGX_INVALID_FILE
        || (fsync(fd) == -1 && ngx_errno != NGX_EINVAL))
    {
        rc = ngx_ur_state_file_failed(file, log, "fsync()", file->folder);
    }

    if (fd != NGX_INVALID_FILE) {
        (void) ngx_close_file(fd);
    }

    return rc;
}


void
ngx_ur_state_file_saved(ngx_ur_state_file_t *file, ngx_uint_t saved,
    ngx_log_t *log)
{
    if (saved && file->unsaved) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%s\" is written again",
                      file->path);
    }

    file->unsaved = !saved;
}


void
ngx_ur_state_file_put_aside(ngx_ur_state_file_t *file, ngx_log_t *log)
{
    /* the first one is the one that knows what was there before */

    if (!ngx_ur_state_file_damaged(file)
        && ngx_rename_file(file->path, file->damaged)
           == NGX_FILE_ERROR)
    {
        (void) ngx_ur_state_file_failed(file, log, ngx_rename_file_n,
                                        file->damaged);
    }
}


ngx_uint_t
ngx_ur_state_file_damaged(ngx_ur_state_file_t *file)
{
    ngx_file_info_t  fi;

    return ngx_file_info(file->damaged, &fi) != NGX_FILE_ERROR;
}


ngx_int_t
ngx_ur_state_file_lock(ngx_ur_state_file_t *file, ngx_fd_t *fd,
    ngx_uint_t again, ngx_log_t *log)
{
    ngx_int_t   rc;
    ngx_uint_t  tries;

    *fd = ngx_open_file(file->lock, NGX_FILE_WRONLY, NGX_FILE_CREATE_OR_OPEN,
                        NGX_FILE_OWNER_ACCESS);

    if (*fd == NGX_INVALID_FILE) {
        return ngx_ur_state_file_failed(file, log, ngx_open_file_n,
                                        file->lock);
    }

    for (tries = NGX_UR_STATE_TRIES; tries; tries--) {

        if (flock(*fd, LOCK_EX|LOCK_NB) == 0) {
            file->busy = 0;
            return NGX_OK;
        }

        if (ngx_errno != NGX_EAGAIN && ngx_errno != NGX_EINTR) {
            again = 0;
            break;
        }

        ngx_msleep(10);
    }

    /* who has it waits for the disk, most likely, and has as much to write */

    rc = (again && ++file->busy < NGX_UR_STATE_BUSY)
         ? NGX_BUSY
         : ngx_ur_state_file_failed(file, log, "flock()", file->lock);

    (void) ngx_close_file(*fd);

    return rc;
}


static ngx_int_t
ngx_ur_state_file_failed(ngx_ur_state_file_t *file, ngx_log_t *log, char *call,
    u_char *name)
{
    ngx_uint_t  level;

    level = file->unsaved ? NGX_LOG_INFO : NGX_LOG_CRIT;

    ngx_log_error(level, log, ngx_errno,
                  "%s \"%s\" failed, what is remembered of the ranges of "
                  "unique_random_pool \"%V\" is not kept",
                  call, name, file->pool);

    return NGX_ERROR;
}
