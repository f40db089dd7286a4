/* posix_shm.h - mutants of the probe posix_shm. */
#include "mutant.h"

#include "ipc_support.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

MUTANT_SHARED int mutant_first_object = -1;

static inline int mutant_shm_open(const char *name, int flags, mode_t mode)
{
    if (MUTANT(open_excl_opens, "O_CREAT | O_EXCL opens an object that exists"))
        flags &= ~O_EXCL;
    if (MUTANT(open_reader_may_write, "an object opened for reading can be written"))
        flags |= O_RDWR;
    if (MUTANT(open_ignores_the_mode, "everybody may open a new object"))
        mode |= 0066;
    if (MUTANT(open_truncates, "every open cuts the object to nothing") && !(flags & O_CREAT) && (flags & O_ACCMODE) == O_RDWR)
        flags |= O_TRUNC;
    int fd = rig_shm_open(name, flags, mode);
    if (MUTANT(open_unknown_is_einval, "opening an unknown name fails with EINVAL") && fd == -1 && errno == ENOENT)
        return mutant_fails(EINVAL);
    if (MUTANT(open_survives_exec, "the descriptor does not close on exec") && fd != -1)
        fcntl(fd, F_SETFD, 0);
    if (MUTANT(open_name_too_long_is_einval, "too long a name fails with EINVAL") && fd == -1 && errno == ENAMETOOLONG)
        return mutant_fails(EINVAL);
    if (MUTANT(open_gives_one_object, "every new object is the first one") && fd != -1 && (flags & O_CREAT)) {
        if (mutant_first_object == -1)
            mutant_first_object = dup(fd);
        else
            dup2(mutant_first_object, fd);
    }
    return fd;
}
#define rig_shm_open(...) mutant_shm_open(__VA_ARGS__)

static inline int mutant_shm_unlink(const char *name)
{
    if (MUTANT(unlink_keeps_the_name, "an unlinked name can still be opened")) {
        rig_own_posix(RIG_POSIX_SHM, name);
        return 0;
    }
    if (MUTANT(unlink_cuts_the_object, "unlinking empties the object for those who have it open")) {
        int fd = (rig_shm_open)(name, O_RDWR | O_TRUNC, 0);
        close(fd);
    }
    int result = rig_shm_unlink(name);
    if (MUTANT(unlink_of_nothing_is_fine, "shm_unlink of an unknown name succeeds"))
        return 0;
    return result;
}
#define rig_shm_unlink(...) mutant_shm_unlink(__VA_ARGS__)

static inline int mutant_ftruncate(int fd, off_t size)
{
    if (MUTANT(ftruncate_does_nothing, "ftruncate succeeds and gives no size"))
        return 0;
    if (LINUX_MUTANT(ftruncate_only_once, "a second ftruncate fails with EINVAL, as on Darwin")) {
        struct stat info;
        if (fstat(fd, &info) == 0 && info.st_size > 0)
            return mutant_fails(EINVAL);
    }
    return ftruncate(fd, size);
}
#define ftruncate(...) mutant_ftruncate(__VA_ARGS__)

static inline void *mutant_mmap(void *at, size_t size, int protection, int flags, int fd, off_t from)
{
    if (MUTANT(mmap_is_private, "a shared mapping is a private one") && (flags & MAP_SHARED))
        flags = (flags & ~MAP_SHARED) | MAP_PRIVATE;
    if (LINUX_MUTANT(mmap_is_always_shared, "a private mapping is a shared one") && (flags & MAP_PRIVATE) && fd != -1)
        flags = (flags & ~MAP_PRIVATE) | MAP_SHARED;
    if (MUTANT(mmap_ignores_the_offset, "a mapping begins at the object's first page"))
        from = 0;
    if (MUTANT(mmap_is_writable, "a read-only mapping can be written") && protection == PROT_READ) {
        void *made = mmap(at, size, protection | PROT_WRITE, flags, fd, from);
        return made == MAP_FAILED ? mmap(at, size, protection, flags, fd, from) : made;
    }
    void *made = mmap(at, size, protection, flags, fd, from);
    if (MUTANT(mmap_refusal_is_enomem, "a mapping that is refused fails with ENOMEM") && made == MAP_FAILED)
        errno = ENOMEM;
    return made;
}
#define mmap(...) mutant_mmap(__VA_ARGS__)

static inline int mutant_munmap(void *at, size_t size)
{
    if (MUTANT(munmap_does_nothing, "unmapped memory is still there"))
        return 0;
    return munmap(at, size);
}
#define munmap(...) mutant_munmap(__VA_ARGS__)
