/* SPDX-License-Identifier: MIT */
/* Lies about shared memory. The call came with a tensor of a page, whose piece is the first of the
 * link. */
#include "config.h"

#include "hostile-worker.h"

#include "pyisolate-dbus-transport-private.h"
#include "pyisolate-frame-private.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 4096
#define NUMBER 1

#define TENSOR(dtype, shape, strides, offset, index) \
  "(objectpath '/pyisolate/tensor', <('numpy', '" dtype "', 'cpu', @ax " shape ", @ax " strides \
  ", uint64 " offset ", uint32 0, <uint32 " index ">)>)"

/* As a host's may be. */
static const char by_descriptor[] = "(objectpath '/pyisolate/tensor', <('numpy', 'uint8', 'cpu', @ax [4096], @ax [1], "
                                    "uint64 0, uint32 0, <handle 0>)>)";

static const struct {
  const char *way;
  const char *value;
} tensors[] = {
  { "tensor-good", TENSOR ("uint8", "[4096]", "[1]", "0", "0") },
  { "tensor-not-named", TENSOR ("uint8", "[4096]", "[1]", "0", "1") },
  { "tensor-too-long", TENSOR ("uint8", "[4097]", "[1]", "0", "0") },
  { "tensor-offset", TENSOR ("uint8", "[1]", "[1]", "4096", "0") },
  { "tensor-far-offset", TENSOR ("uint8", "[1]", "[1]", "18446744073709551615", "0") },
  { "tensor-odd-offset", TENSOR ("float64", "[1]", "[1]", "3", "0") },
  { "tensor-before", TENSOR ("uint8", "[2]", "[-1]", "0", "0") },
  { "tensor-overflow",
    TENSOR ("float64", "[9223372036854775807, 9223372036854775807]", "[1, 1]", "0", "0") },
  { "tensor-stride-overflow", TENSOR ("float64", "[3, 3]", "[9223372036854775807, 1]", "0", "0") },
  { "tensor-negative-overflow", TENSOR ("float64", "[3]", "[-9223372036854775808]", "0", "0") },
  { "tensor-negative-shape", TENSOR ("uint8", "[-1]", "[1]", "0", "0") },
  { "tensor-few-strides", TENSOR ("uint8", "[2, 2]", "[1]", "0", "0") },
  { "tensor-no-dtype", TENSOR ("uint7", "[1]", "[1]", "0", "0") },
};

static GVariant *
new_records (const PyIsolateMemoryRecord *records,
             guint                        n_records)
{
  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, records, n_records * sizeof *records, 1);
}

/* @records: as bytes; @fd: taken, or -1 */
static void
reply_with_records (GDBusMessage *go,
                    GVariant     *value,
                    GVariant     *records,
                    int           fd)
{
  GDBusMessage *answer = g_dbus_message_new_method_reply (go);
  GVariantDict options = G_VARIANT_DICT_INIT (NULL);

  if (fd >= 0)
    {
      g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (&fd, 1);

      g_dbus_message_set_unix_fd_list (answer, list);
    }
  g_variant_dict_insert_value (&options, "memory", records);
  g_dbus_message_set_body (answer, g_variant_new ("(@ay@a{sv})",
                                                  bytes_of (g_variant_new_variant (value)),
                                                  g_variant_dict_end (&options)));
  send_message (answer);
}

static void
reply_with_record (GDBusMessage *go,
                   guint32       kind,
                   guint32       flags,
                   guint64       number,
                   guint64       argument,
                   int           fd)
{
  const PyIsolateMemoryRecord record = { kind, flags, number, argument };

  reply_with_records (go, g_variant_new_boolean (TRUE), new_records (&record, 1), fd);
}

static void
say_of_memory (const PyIsolateMemoryRecord *records,
               guint                        n_records)
{
  GDBusMessage *message = g_dbus_message_new_method_call (NULL, PYISOLATE_LINK_OBJECT_PATH,
                                                          "org.pyisolate.Link1", "Memory");

  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_dbus_message_set_body (message, g_variant_new ("(@ay)", new_records (records, n_records)));
  send_message (message);
}

static int
get_fd (GDBusMessage *go)
{
  int fd = g_unix_fd_list_get (g_dbus_message_get_unix_fd_list (go), 0, NULL);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

static void
reply_with_tensor (GDBusMessage *go,
                   const char   *value)
{
  const PyIsolateMemoryRecord record = { PYISOLATE_MEMORY_USE, 0, NUMBER, SIZE };

  reply_with_records (go, g_variant_new_parsed (value), new_records (&record, 1), -1);
}

/* What can be done to a piece that is sealed: nothing to its size. */
static void
shrink (GDBusMessage *go)
{
  int fd = get_fd (go);

  g_assert_cmpint (ftruncate (fd, 0), <, 0);
  g_assert_cmpint (ftruncate (fd, 2 * SIZE), <, 0);
  g_assert_cmpint (fallocate (fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE), ==, 0);
  close (fd);
}

static gpointer
scribble (gpointer data)
{
  for (guint i = 0; TRUE; i++)
    ((volatile guint8 *) data)[i % SIZE] = (guint8) (i >> 3);
  return NULL;
}

/* A body that is another one each time that somebody looks. */
static void
reply_with_changing_body (GDBusMessage *go)
{
  const PyIsolateMemoryRecord records[] = {
    { PYISOLATE_MEMORY_USE, 0, NUMBER, SIZE },
    { PYISOLATE_MEMORY_BODY, 0, 0, SIZE },
  };
  int fd = get_fd (go);
  gpointer data = mmap (NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

  g_assert_true (data != MAP_FAILED);
  close (fd);
  g_thread_unref (g_thread_new ("scribbling", scribble, data));
  reply_with_records (go, g_variant_new_boolean (TRUE),
                      new_records (records, G_N_ELEMENTS (records)), -1);
}

static void
give_back_twice (void)
{
  const PyIsolateMemoryRecord records[] = {
    { PYISOLATE_MEMORY_RELEASE, 0, NUMBER, 1 },
    { PYISOLATE_MEMORY_RELEASE, 0, NUMBER, 1 },
  };

  say_of_memory (records, G_N_ELEMENTS (records));
}

static void
ask_for_much (void)
{
  g_autofree PyIsolateMemoryRecord *records = g_new (PyIsolateMemoryRecord, PYISOLATE_MAX_RECORDS);

  for (guint i = 0; i < PYISOLATE_MAX_RECORDS; i++)
    records[i] = (PyIsolateMemoryRecord) { PYISOLATE_MEMORY_REQUEST, 0, i + 1, 2 << 20 };
  say_of_memory (records, PYISOLATE_MAX_RECORDS);
}

static gboolean
reply_by_record (GDBusMessage *go)
{
  if (way_is ("memory-own"))
    reply_with_record (go, PYISOLATE_MEMORY_USE, PYISOLATE_MEMORY_RECORD_FD, 2, SIZE,
                       memfd_create ("own", MFD_CLOEXEC));
  else if (way_is ("memory-of-file"))
    reply_with_record (go, PYISOLATE_MEMORY_USE, PYISOLATE_MEMORY_RECORD_FD, 2, SIZE,
                       open ("/dev/zero", O_RDWR | O_CLOEXEC));
  else if (way_is ("memory-by-descriptor"))
    reply_with_records (go, g_variant_new_parsed (by_descriptor), new_records (NULL, 0), get_fd (go));
  else if (way_is ("memory-unknown"))
    reply_with_record (go, PYISOLATE_MEMORY_USE, 0, 4711, SIZE, -1);
  else if (way_is ("memory-without-fd"))
    reply_with_record (go, PYISOLATE_MEMORY_USE, PYISOLATE_MEMORY_RECORD_FD, 2, SIZE, -1);
  else if (way_is ("memory-granted"))
    reply_with_record (go, PYISOLATE_MEMORY_GRANT, 0, 2, SIZE, -1);
  else if (way_is ("memory-body-alone"))
    reply_with_record (go, PYISOLATE_MEMORY_BODY, 0, 0, SIZE, -1);
  else
    return FALSE;

  return TRUE;
}

gboolean
misbehave_by_memory (GDBusMessage *go)
{
  for (guint i = 0; i < G_N_ELEMENTS (tensors); i++)
    {
      if (way_is (tensors[i].way))
        {
          reply_with_tensor (go, tensors[i].value);
          return TRUE;
        }
    }

  if (way_is ("memory-shrunk"))
    {
      shrink (go);
      reply_with_tensor (go, tensors[0].value);
    }
  else if (way_is ("memory-of-odd-size"))
    reply_with_records (go, g_variant_new_boolean (TRUE),
                        g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, "odd", 3, 1), -1);
  else if (way_is ("memory-changing"))
    reply_with_changing_body (go);
  else if (way_is ("memory-given-back-twice"))
    give_back_twice ();
  else if (way_is ("memory-requests"))
    ask_for_much ();
  else
    return reply_by_record (go);

  return TRUE;
}
