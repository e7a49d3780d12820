/* SPDX-License-Identifier: MIT */
/* Decoding dicts. */
#include "config.h"

#include "pyisolate-codec-reader.h"

#define MIN_PRESIZED 6
#define MAX_PRESIZED 4096

/* --- Keys --- */

/* Keys repeat, within a value and from one call to the next. Those that were seen last are kept and shared, which also saves
 * hashing them again: a table of the process, guarded by the GIL, in which each key has two places that it may be in. */
#define N_KEYS_BITS 9
#define KEY_WORDS 4

typedef struct {
  guint64   text[KEY_WORDS]; /* its bytes, and zeros */
  gsize     size;            /* of them, with the NUL */
  PyObject *object;
} Key;

static Key keys[1 << N_KEYS_BITS];

/* The first of the two places of a key. */
static inline Key *
get_places (const guint64 *text,
            gsize          n_words)
{
  const guint64 odd = G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  guint64 hash = text[0] * odd;

  for (gsize i = 1; i < n_words; i++)
    hash = (hash ^ text[i] ^ hash >> 29) * odd;
  return &keys[hash >> (64 - N_KEYS_BITS) & ~(guint64) 1];
}

static inline gboolean
is_key (const Key     *key,
        const guint64 *text,
        gsize          size)
{
  return key->size == size && ((key->text[0] ^ text[0]) | (key->text[1] ^ text[1])
                               | (key->text[2] ^ text[2]) | (key->text[3] ^ text[3])) == 0;
}

/* In the first place of two; what was there moves on to the second. */
static void
keep_key (Key           *places,
          const guint64 *text,
          gsize          size,
          PyObject      *object)
{
  PyObject *oldest = places[1].object;

  places[1] = places[0];
  memcpy (places[0].text, text, sizeof places[0].text);
  places[0].size = size;
  places[0].object = object;
  Py_INCREF (object);
  Py_XDECREF (oldest);
}

/* Bytes that are those of a known key were checked when that was made. */
static inline PyObject *
find_key (const Key     *places,
          const guint64 *text,
          gsize          size)
{
  const Key *key = is_key (&places[0], text, size) ? &places[0] : &places[1];

  if (key != &places[0] && !is_key (key, text, size))
    return NULL;
  Py_INCREF (key->object);
  return key->object;
}

static PyObject *
decode_new_key (Key           *places,
                const guint64 *text,
                const guint8  *data,
                gsize          size)
{
  PyObject *object = _pyisolate_decoder_string (data, size);

  if (object != NULL)
    keep_key (places, text, size, object);
  return object;
}

static PyObject *
decode_key (const guint8 *data,
            gsize         size)
{
  guint64 text[KEY_WORDS] = { 0 };
  PyObject *object;
  Key *places;

  if (size == 0 || size > sizeof text)
    return _pyisolate_decoder_string (data, size);

  memcpy (text, data, size);
  places = get_places (text, (size + sizeof *text - 1) / sizeof *text);
  object = find_key (places, text, size);
  return object != NULL ? object : decode_new_key (places, text, data, size);
}

/* Always NULL. */
static PyObject *
bad_entry (void)
{
  return _pyisolate_decoder_malformed ("a dict entry with bad offsets");
}

/* The same where zeros should follow up to @padded, a multiple of 8: they do if the key is a known one. */
static inline PyObject *
decode_padded_key (const guint8 *data,
                   gsize         size,
                   gsize         padded)
{
  guint64 text[KEY_WORDS] = { 0 };
  gsize n_words = padded / sizeof *text;
  PyObject *object;
  Key *places;

  if (G_UNLIKELY (n_words == 0 || n_words > KEY_WORDS))
    return _pyisolate_padding_is_zero (data, size, padded, padded) ? _pyisolate_decoder_string (data, size)
                                                                    : bad_entry ();

  memcpy (text, data, sizeof *text);
  for (gsize i = 1; i < n_words; i++)
    memcpy (&text[i], data + i * sizeof *text, sizeof *text);
  places = get_places (text, n_words);
  object = find_key (places, text, size);
  if (G_LIKELY (object != NULL))
    return object;
  return _pyisolate_padding_is_zero (data, size, padded, padded) ? decode_new_key (places, text, data, size)
                                                                  : bad_entry ();
}

/* --- Entries --- */

/* Takes both; @value: nullable. */
static inline gboolean
set_item (PyObject *dict,
          PyObject *key,
          PyObject *value)
{
  gboolean done = value != NULL && PyDict_SetItem (dict, key, value) == 0;

  Py_DECREF (key);
  Py_XDECREF (value);
  return done;
}

static gboolean
decode_entry (Decoder                 *self,
              const PyIsolateTypeNode *entry,
              const guint8            *data,
              gsize                    size,
              PyObject                *dict)
{
  const PyIsolateTypeNode *key_node = entry + 1;
  const PyIsolateTypeNode *value_node = entry + 2;
  PyIsolateStructFrame frame;
  gsize key_start, key_size, start, length;
  PyObject *key;

  if (!_pyisolate_struct_frame_read (data, size, entry, &frame)
      || !_pyisolate_struct_frame_next (&frame, key_node, FALSE, &key_start, &key_size)
      || !_pyisolate_struct_frame_next (&frame, value_node, TRUE, &start, &length)
      || !_pyisolate_struct_frame_is_done (&frame, entry))
    return bad_entry () != NULL;

  if (key_node->code == 's')
    key = decode_key (data + key_start, key_size);
  else
    key = _pyisolate_decoder_node (self, key_node, data + key_start, key_size);
  if (key == NULL)
    return FALSE;
  return set_item (dict, key, decoder_value (self, value_node, data + start, length));
}

/* The same for a string as the key, which nearly all are: such an entry has one offset. */
static inline gboolean
decode_string_entry (Decoder                 *self,
                     const PyIsolateTypeNode *value_node,
                     const guint8            *data,
                     gsize                    size,
                     PyObject                *dict)
{
  guint width = _pyisolate_offset_width (size);
  gsize key_end, start, end;
  PyObject *key;

  if (size < width || _pyisolate_framed_size (size - width, 1) != size)
    return bad_entry () != NULL;
  end = size - width;
  key_end = _pyisolate_read_offset (data + end, width);
  start = _pyisolate_align (key_end, value_node->alignment);
  if (start > end || (value_node->fixed_size != 0 && end - start != value_node->fixed_size))
    return bad_entry () != NULL;

  if (value_node->alignment == 8)
    key = decode_padded_key (data, key_end, start);
  else if (_pyisolate_padding_is_zero (data, key_end, start, end))
    key = decode_key (data, key_end);
  else
    key = bad_entry ();
  return key != NULL && set_item (dict, key, decoder_value (self, value_node, data + start, end - start));
}

/* With room for the entries that were announced, if it is not for too many: they may not be there. */
static PyObject *
new_dict (gsize n_entries)
{
  if (_PyDict_NewPresized == NULL || n_entries < MIN_PRESIZED)
    return PyDict_New ();
  return _PyDict_NewPresized (MIN (n_entries, MAX_PRESIZED));
}

static PyObject *
decode_fixed_entries (Decoder                 *self,
                      const PyIsolateTypeNode *entry,
                      const guint8            *data,
                      gsize                    size)
{
  PyObject *dict;

  if (size % entry->fixed_size != 0)
    return _pyisolate_decoder_malformed ("a dict of entries of %u bytes has %" G_GSIZE_FORMAT,
                                         entry->fixed_size, size);
  dict = new_dict (size / entry->fixed_size);
  for (gsize at = 0; dict != NULL && at < size; at += entry->fixed_size)
    {
      if (!decode_entry (self, entry, data + at, entry->fixed_size, dict))
        Py_CLEAR (dict);
    }
  return dict;
}

PyObject *
_pyisolate_decoder_dict (Decoder                 *self,
                         const PyIsolateTypeNode *entry,
                         const guint8            *data,
                         gsize                    size)
{
  PyIsolateArrayFrame frame;
  PyObject *dict;
  gsize position = 0, start, length;

  if (entry->fixed_size != 0)
    return decode_fixed_entries (self, entry, data, size);
  if (!_pyisolate_array_frame_read (data, size, &frame))
    return _pyisolate_decoder_malformed ("a dict with bad offsets");

  dict = new_dict (frame.n_items);
  for (gsize i = 0; dict != NULL && i < frame.n_items; i++)
    {
      gboolean done = FALSE;

      if (!_pyisolate_array_frame_next (&frame, entry, data, i, &position, &start, &length))
        _pyisolate_decoder_malformed ("a dict with bad offsets");
      else if (entry[1].code == 's')
        done = decode_string_entry (self, entry + 2, data + start, length, dict);
      else
        done = decode_entry (self, entry, data + start, length, dict);
      if (!done)
        Py_CLEAR (dict);
    }
  return dict;
}

