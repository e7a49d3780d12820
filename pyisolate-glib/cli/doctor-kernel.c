/* SPDX-License-Identifier: MIT */
/* What the kernel can do. Each thing is tried: a version says little about what is switched off. */
#include "config.h"

#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* The headers may be older than the kernel; the numbers are the same everywhere but on alpha. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_VERSION_FLAG 1u

static void
add_tried (GPtrArray   *checks,
           const char  *name,
           gboolean     good,
           int          saved_errno,
           DoctorState  otherwise,
           const char  *advice)
{
  if (good)
    doctor_add (checks, name, DOCTOR_OK, g_strdup ("yes"), NULL);
  else
    doctor_add (checks, name, otherwise, g_strdup_printf ("no: %s", g_strerror (saved_errno)),
                g_strdup (advice));
}

static void
check_memfd (GPtrArray *checks)
{
  int fd = memfd_create ("pyisolate-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  gboolean good = fd >= 0 && fcntl (fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0;

  add_tried (checks, "memfd seals", good, errno, DOCTOR_NOTE,
             "shared memory between host and extension will need them");
  if (fd >= 0)
    close (fd);
}

static void
check_pidfd (GPtrArray *checks)
{
  int fd = (int) syscall (SYS_pidfd_open, getpid (), 0);

  add_tried (checks, "pidfd", fd >= 0, errno, DOCTOR_MISSING,
             "processes are watched by it: use Linux 5.3 or later, and a container that does not "
             "filter pidfd_open");
  if (fd >= 0)
    close (fd);
}

static void
check_subreaper (GPtrArray *checks)
{
  int is_subreaper = 0;
  gboolean good = prctl (PR_GET_CHILD_SUBREAPER, &is_subreaper, 0, 0, 0) == 0;

  add_tried (checks, "child subreaper", good, errno, DOCTOR_MISSING,
             "what an extension starts is ended by means of it: use Linux 3.4 or later");
}

static void
check_proc (GPtrArray *checks)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/children", (int) getpid ());
  gboolean good = access (path, R_OK) == 0;

  add_tried (checks, "/proc, with children", good, errno, DOCTOR_MISSING,
             "mount /proc; the kernel needs CONFIG_PROC_CHILDREN");
}

static void
check_landlock (GPtrArray *checks)
{
  long abi = syscall (SYS_landlock_create_ruleset, NULL, (gsize) 0, LANDLOCK_VERSION_FLAG);

  if (abi > 0)
    doctor_add (checks, "Landlock", DOCTOR_OK, g_strdup_printf ("ABI %ld", abi), NULL);
  else
    doctor_add (checks, "Landlock", DOCTOR_NOTE, g_strdup_printf ("no: %s", g_strerror (errno)),
                g_strdup ("the sandbox that is to come will use it"));
}

/* In a child, as it cannot be undone. The child does nothing that a copy of one thread of many must
 * not do. */
static void
check_user_namespaces (GPtrArray *checks)
{
  pid_t pid = fork ();
  int status = 0;
  pid_t waited;

  if (pid == 0)
    _exit (unshare (CLONE_NEWUSER) == 0 ? 0 : errno);
  do
    waited = pid > 0 ? waitpid (pid, &status, 0) : -1;
  while (waited < 0 && pid > 0 && errno == EINTR);
  add_tried (checks, "user namespaces",
             waited > 0 && WIFEXITED (status) && WEXITSTATUS (status) == 0,
             waited > 0 && WIFEXITED (status) ? WEXITSTATUS (status) : ECHILD, DOCTOR_NOTE,
             "the sandbox that is to come will use them: see user.max_user_namespaces, "
             "kernel.unprivileged_userns_clone");
}

void
doctor_check_kernel (GPtrArray *checks)
{
  struct utsname name;

  if (uname (&name) == 0)
    doctor_add (checks, "kernel", DOCTOR_OK,
                g_strdup_printf ("%s %s %s", name.sysname, name.release, name.machine), NULL);
  check_pidfd (checks);
  check_subreaper (checks);
  check_proc (checks);
  check_memfd (checks);
  check_landlock (checks);
  check_user_namespaces (checks);
}
