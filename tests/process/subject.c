/* SPDX-License-Identifier: MIT */
/* A process to be run by the tests, which does what its arguments say. It prints "ready" when it
 * does what takes long, and answers SIGUSR1 by "pong". None of it outlives four minutes, whatever
 * goes wrong with a test.
 *
 * Plain libc: what it does between forks must not depend on a library's threads.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIFETIME_S 240
#define COMET_LIFETIME_S 6
#define LARGE_ENVIRONMENT (32ul * 1024 * 1024)

static void
say (const char *line)
{
  size_t length = strlen (line);

  if (write (STDOUT_FILENO, line, length) != (ssize_t) length)
    _exit (99);
}

static void
on_usr1 (int number)
{
  say ("pong\n");
}

static void
wait_for_signals (void)
{
  while (1)
    pause ();
}

/* Runs the function in a process that nobody here is the parent of. */
static void
start_orphan (void (*run) (void))
{
  int ready[2];
  char byte;

  if (pipe (ready) < 0)
    _exit (99);
  if (fork () == 0)
    {
      setsid ();
      if (fork () == 0)
        {
          setsid ();
          alarm (LIFETIME_S);
          close (ready[0]);
          close (ready[1]);
          run ();
          _exit (0);
        }
      _exit (0);
    }
  close (ready[1]);
  /* At its end both of them are past the forks. */
  while (read (ready[0], &byte, 1) > 0)
    ;
  close (ready[0]);
  wait (NULL);
}

static void
be_subreaper (void)
{
  prctl (PR_SET_CHILD_SUBREAPER, 1);
  start_orphan (wait_for_signals);
  wait_for_signals ();
}

static long
now_s (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static int tail_fd = -1; /* a comet's */

/* Is never the same process for long: the pid that was looked at is gone when it is signalled. Each leaves a byte. */
static void
be_comet (void)
{
  long end = now_s () + COMET_LIFETIME_S;

  /* Slow enough not to fill the machine with zombies if nobody reaps them, few, and over where each takes long. */
  for (int i = 0; i < 2000 && now_s () < end; i++)
    {
      if (fork () > 0)
        _exit (0);
      if (tail_fd >= 0 && write (tail_fd, "*", 1) != 1)
        _exit (99);
      usleep (2000);
    }
}

/* Is the same process all the time, but always about to be another program. */
static void
execute_again (long end)
{
  char argument[32];
  char *argv[] = { "subject", "execute-until", argument, NULL };

  if (now_s () >= end)
    _exit (0);
  snprintf (argument, sizeof argument, "%ld", end);
  execv ("/proc/self/exe", argv);
  _exit (99);
}

static void
be_chameleon (void)
{
  execute_again (now_s () + LIFETIME_S);
}

/* Its environment is from now on this memory, which costs it nothing. Needs no right, but a kernel that can restore processes. */
static bool
move_environment (void *start,
                  size_t size)
{
  static int in_data;
  struct prctl_mm_map map = {
    .start_code = (uintptr_t) &in_data,
    .end_code = (uintptr_t) (&in_data + 1),
    .start_data = (uintptr_t) &in_data,
    .end_data = (uintptr_t) &in_data,
    .start_brk = (uintptr_t) sbrk (0),
    .brk = (uintptr_t) sbrk (0),
    .start_stack = (uintptr_t) &map,
    .arg_start = (uintptr_t) start,
    .arg_end = (uintptr_t) start,
    .env_start = (uintptr_t) start,
    .env_end = (uintptr_t) start + size,
    .exe_fd = (uint32_t) -1,
  };

  return prctl (PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0;
}

static void
copy_environment (char *p)
{
  for (char **entry = environ; *entry != NULL; entry++)
    p = stpcpy (p, *entry) + 1;
}

/* Says who it is, or 0. What it was started with is in there, far behind where that of any program ends. */
static void
be_large (void)
{
  char *memory = mmap (NULL, LARGE_ENVIRONMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  bool is_moved = memory != MAP_FAILED && move_environment (memory, LARGE_ENVIRONMENT);
  char line[32];

  if (is_moved)
    copy_environment (memory + LARGE_ENVIRONMENT / 2);
  snprintf (line, sizeof line, "large %d\n", is_moved ? (int) getpid () : 0);
  say (line);
  if (is_moved)
    wait_for_signals ();
}

/* Starts anew what is killed. */
static void
be_supervisor (void)
{
  int n_children = 0;

  for (int i = 0; i < 1000; i++)
    {
      pid_t child = fork ();

      if (child == 0)
        {
          setsid ();
          alarm (LIFETIME_S);
          wait_for_signals ();
        }
      n_children += child > 0;
      if (n_children == 4 && wait (NULL) > 0)
        n_children--;
    }
}

static void
start_many (void (*run) (void))
{
  for (int i = 0; i < 10; i++)
    start_orphan (run);
}

static void
flood (void)
{
  char line[1024];

  memset (line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  while (write (STDOUT_FILENO, line, sizeof line) > 0)
    ;
}

static volatile char *memory;

static void
eat_memory (int number)
{
  for (int i = 0; i < 1024; i++)
    {
      memory = malloc (1024 * 1024);
      for (int page = 0; page < 256; page++)
        memory[page * 4096] = 1;
    }
  say ("was given a gigabyte\n");
}

static void
kill_parent (int number)
{
  kill (getppid (), SIGKILL);
}

static void
list_fds (void)
{
  DIR *dir = opendir ("/proc/self/fd");
  struct dirent *entry;

  while ((entry = readdir (dir)) != NULL)
    {
      if (isdigit ((unsigned char) entry->d_name[0]) && atoi (entry->d_name) != dirfd (dir))
        printf ("%s ", entry->d_name);
    }
  printf ("\n");
}

static void
print_signal_state (void)
{
  FILE *status = fopen ("/proc/self/status", "r");
  char line[256];

  while (fgets (line, sizeof line, status) != NULL)
    {
      if (strncmp (line, "SigBlk:", 7) == 0 || strncmp (line, "SigIgn:", 7) == 0)
        fputs (line, stdout);
    }
  printf ("session %s\n", getsid (0) == getpid () ? "own" : "other");
}

/* Prints the text with what printf(1) would make of \n, \xHH. */
static void
print_text (const char *text)
{
  for (; *text != '\0'; text++)
    {
      unsigned int byte;

      if (strncmp (text, "\\n", 2) == 0)
        putchar ('\n'), text++;
      else if (sscanf (text, "\\x%2x", &byte) == 1)
        putchar ((int) byte), text += 3;
      else
        putchar (*text);
    }
}

static void
do_command (const char *command,
            const char *argument)
{
  if (strcmp (command, "exit") == 0)
    exit (atoi (argument));
  else if (strcmp (command, "signal") == 0)
    raise (atoi (argument));
  else if (strcmp (command, "print") == 0)
    print_text (argument);
  else if (strcmp (command, "stderr") == 0)
    fprintf (stderr, "%s\n", argument);
  else if (strcmp (command, "repeat") == 0)
    for (int i = 0; i < atoi (argument); i++)
      putchar ('a');
  else if (strcmp (command, "orphan") == 0)
    start_orphan (strcmp (argument, "subreaper") == 0 ? be_subreaper : wait_for_signals);
  else if (strcmp (command, "supervisors") == 0)
    start_many (be_supervisor);
  else if (strcmp (command, "tail-fd") == 0)
    tail_fd = atoi (argument);
  else if (strcmp (command, "comets") == 0)
    start_many (be_comet);
  else if (strcmp (command, "chameleon") == 0)
    start_orphan (be_chameleon);
  else if (strcmp (command, "large") == 0)
    start_orphan (be_large);
  else if (strcmp (command, "execute-until") == 0)
    execute_again (atol (argument));
  else if (strcmp (command, "flood") == 0)
    flood ();
  else if (strcmp (command, "kill-parent-on-usr2") == 0)
    signal (SIGUSR2, kill_parent);
  else if (strcmp (command, "ready") == 0)
    say ("ready\n");
  else if (strcmp (command, "eat-on-usr2") == 0)
    signal (SIGUSR2, eat_memory);
  else if (strcmp (command, "fds") == 0)
    list_fds ();
  else if (strcmp (command, "signal-state") == 0)
    print_signal_state ();
  else if (strcmp (command, "wait") == 0)
    wait_for_signals ();
  else
    exit (98);
  fflush (stdout);
}

/* Pairs of command and argument. */
int
main (int   argc,
      char *argv[])
{
  struct rlimit no_core = { 0, 0 };

  alarm (LIFETIME_S);
  setrlimit (RLIMIT_CORE, &no_core);
  if (argc > 1 && strcmp (argv[1], "signal-state") != 0)
    signal (SIGUSR1, on_usr1);
  for (int i = 1; i + 1 < argc; i += 2)
    do_command (argv[i], argv[i + 1]);
  return 0;
}
