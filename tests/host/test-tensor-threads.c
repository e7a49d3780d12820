/* SPDX-License-Identifier: MIT */
/* Threads that pass tensors at the same time, to two extensions: one that all of them have, some of
 * their own, and what one gets is dropped by another. */
#include "config.h"

#include "hammer.h"

#include <string.h>

#define N_THREADS 5
#define N_SLOTS 4
#define SIZE 20000

typedef struct {
  HostHammer base;
  PyIsolateExtension *extensions[2];
  PyIsolateTensor *common;
  PyIsolateTensor *slots[N_SLOTS]; /* atomic: whoever comes takes what is there, and leaves another */
  gboolean may_fail; /* one is being killed meanwhile */
} Hammer;

typedef struct {
  Hammer *hammer;
  GRand *rand;
  guint8 mark; /* what its own tensors hold */
} Hand;

static PyIsolateTensor *
new_shared (guint8 mark)
{
  const gint64 shape[] = { SIZE };
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *tensor = pyisolate_tensor_new_for_shape (PYISOLATE_DTYPE_UINT8, shape, 1, PYISOLATE_MEMORY_NONE, &error);

  g_assert_no_error (error);
  memset (pyisolate_tensor_get_data (tensor, NULL), mark, SIZE);
  return tensor;
}

static PyIsolateTensor *
new_private (guint8 mark)
{
  const gint64 shape[] = { SIZE };
  g_autoptr (GError) error = NULL;
  guint8 *data = g_malloc (SIZE);
  g_autoptr (GBytes) bytes = g_bytes_new_take (data, SIZE);
  PyIsolateTensor *tensor;

  memset (data, mark, SIZE);
  tensor = pyisolate_tensor_new_from_bytes (bytes, PYISOLATE_DTYPE_UINT8, shape, 1, &error);
  g_assert_no_error (error);
  return tensor;
}

static void
check_error (Hammer       *hammer,
             const GError *error)
{
  if (!hammer->may_fail || error->domain != PYISOLATE_ERROR ||
      (error->code != PYISOLATE_ERROR_NOT_RUNNING && error->code != PYISOLATE_ERROR_KILLED))
    g_error ("%s, %d: %s", g_quark_to_string (error->domain), error->code, error->message);
}

/* What came stays whole until it is dropped, whoever does it, and when. */
static void
leave (Hand            *hand,
       PyIsolateTensor *take_tensor,
       guint8           mark)
{
  PyIsolateTensor **slot = &hand->hammer->slots[g_rand_int_range (hand->rand, 0, N_SLOTS)];
  const guint8 *data = pyisolate_tensor_get_data (take_tensor, NULL);
  g_autoptr (PyIsolateTensor) old = NULL;

  g_assert_cmpuint (data[0], ==, mark);
  g_assert_cmpuint (data[SIZE - 1], ==, mark);
  do
    old = g_atomic_pointer_get (slot);
  while (!g_atomic_pointer_compare_and_exchange (slot, old, take_tensor));
}

static void
echo (Hand            *hand,
      PyIsolateTensor *tensor,
      guint8           mark)
{
  Hammer *hammer = hand->hammer;
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("echo");
  GVariant *arg = pyisolate_call_add_tensor (call, tensor);
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (GError) error = NULL;
  PyIsolateTensor *back;

  pyisolate_call_set_args (call, g_variant_new_tuple (&arg, 1));
  result = pyisolate_extension_start_call_sync (hammer->extensions[g_rand_int_range (hand->rand, 0, 2)], call,
                                                NULL, &error);
  if (result == NULL)
    {
      check_error (hammer, error);
      return;
    }

  back = pyisolate_call_result_dup_tensor (result, pyisolate_call_result_get_value (result), &error);
  g_assert_no_error (error);
  leave (hand, back, mark);
  g_atomic_int_inc (&hammer->base.n_answers);
}

static void
make (Hand *hand)
{
  Hammer *hammer = hand->hammer;
  g_autoptr (PyIsolateCall) call = pyisolate_call_new ("make");
  g_autoptr (PyIsolateCallResult) result = NULL;
  g_autoptr (PyIsolateTensor) made = NULL;
  g_autoptr (GError) error = NULL;

  pyisolate_call_set_args (call, g_variant_new ("(i)", SIZE));
  result = pyisolate_extension_start_call_sync (hammer->extensions[g_rand_int_range (hand->rand, 0, 2)], call,
                                                NULL, &error);
  if (result == NULL)
    {
      check_error (hammer, error);
      return;
    }

  made = pyisolate_call_result_dup_tensor (result, pyisolate_call_result_get_value (result), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (((const guint8 *) pyisolate_tensor_get_data (made, NULL))[0], ==, 1);
}

static void
do_something (Hand *hand)
{
  g_autoptr (PyIsolateTensor) tensor = NULL;
  g_autoptr (PyIsolateMemory) found = NULL;

  switch (g_rand_int_range (hand->rand, 0, 5))
    {
    case 0:
      echo (hand, hand->hammer->common, 255);
      break;

    case 1:
      tensor = new_shared (hand->mark);
      echo (hand, tensor, hand->mark);
      break;

    case 2:
      tensor = new_private (hand->mark);
      echo (hand, tensor, hand->mark);
      break;

    case 3:
      make (hand);
      break;

    default:
      found = pyisolate_memory_find (pyisolate_tensor_get_data (hand->hammer->common, NULL), SIZE);
      g_assert_true (found == pyisolate_tensor_get_memory (hand->hammer->common));
      break;
    }
}

static void
hammer_main (HostHammer *base,
             gpointer    data)
{
  static int last_mark;
  Hand hand = { data, g_rand_new (), 1 + g_atomic_int_add (&last_mark, 1) % 100 };

  for (guint i = 0; i < base->n_rounds; i++)
    do_something (&hand);
  g_rand_free (hand.rand);
}

static gboolean
has_no_mappings (gpointer data)
{
  g_autofree char *maps = NULL;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &maps, NULL, NULL));
  return strstr (maps, "/memfd:pyisolate") == NULL;
}

static void
test_hammer (gconstpointer kills)
{
  HostTest *test = host_test_new ();
  Hammer hammer = { HOST_HAMMER_INIT, { NULL, }, new_shared (255), { NULL, }, kills != NULL };

  for (guint i = 0; i < G_N_ELEMENTS (hammer.extensions); i++)
    hammer.extensions[i] = g_object_ref (host_test_load_config (test, host_config (i == 0 ? "one" : "two", "tensors")));
  host_hammer_begin (&hammer.base, N_THREADS, 150, hammer_main, &hammer);
  if (kills != NULL)
    {
      host_hammer_wait_answers (&hammer.base, 20);
      pyisolate_extension_kill (hammer.extensions[0]);
    }
  host_hammer_end (&hammer.base);
  g_assert_cmpint (hammer.base.n_answers, >, 0);

  for (guint i = 0; i < G_N_ELEMENTS (hammer.extensions); i++)
    g_object_unref (hammer.extensions[i]);
  host_test_free (test);
  g_clear_object (&hammer.common);
  for (guint i = 0; i < N_SLOTS; i++)
    g_clear_object (&hammer.slots[i]);
  test_util_assert_until (has_no_mappings, NULL, HOST_TEST_TIMEOUT_MS);
}

int
main (int   argc,
      char *argv[])
{
  host_test_init (&argc, &argv);

  test_util_add_data_func ("/pyisolate/tensor-threads/hammer", NULL, test_hammer);
  test_util_add_data_func ("/pyisolate/tensor-threads/killed", "", test_hammer);

  return host_test_run ();
}
