/* SPDX-License-Identifier: MIT */
/* What a worker says about types is taken into a .pyi file only where it is sure to be Python. */
#include "config.h"

#include "cli-annotation.h"
#include "test-util.h"

static void
test_read (void)
{
  const struct { const char *text; const char *names; } cases[] = {
    { "int", "int" },
    { "None", "" },
    { "list[int]", "list,int" },
    { "dict[str, list[numpy.ndarray]]", "dict,str,list,numpy.ndarray" },
    { "int | None", "int" },
    { "typing.Callable[[int, str], None]", "typing.Callable,int,str" },
    { "Callable[[], int]", "Callable,int" },
    { "Callable[..., int]", "Callable,int" },
    { "tuple[()]", "tuple" },
    { "Literal['a b', -1, True]", "Literal" },
    { "'Later'", "" },
    { "\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9" },
    { "Annotated[int, 'x\\n']", "Annotated,int" },
    { "a.b.C", "a.b.C" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) names = cli_annotation_read (cases[i].text);
      g_autofree char *joined = NULL;

      g_test_message ("%s", cases[i].text);
      g_assert_nonnull (names);
      g_ptr_array_add (names, NULL);
      joined = g_strjoinv (",", (char **) names->pdata);
      g_assert_cmpstr (joined, ==, cases[i].names);
    }
}

static void
test_refuse (void)
{
  const char * const cases[] = {
    "", " ", "<class 'x'>", "int;import os", "int\nimport os", "list[", "list[]", "list[int",
    "list]", "list[int,]x", "int |", "| int", "class", "a.class", "None.x", "lambda: 0", "f()",
    "1 +", "012", "0x10", "1_0", "1.2.3", "'unclosed", "'bad\\x41'", "'a\nb'", "a..b", ".a", "a.",
    "int # no", "[int", "int, str", "*args", "a b", "list[int]]", "$",
  };
  g_autoptr (GString) deep = g_string_new (NULL);
  g_autoptr (GPtrArray) names = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GPtrArray) read = cli_annotation_read (cases[i]);

      g_test_message ("%s", cases[i]);
      g_assert_null (read);
    }
  for (int i = 0; i < 1000; i++)
    g_string_append_c (deep, '[');
  names = cli_annotation_read (deep->str);
  g_assert_null (names);
}

static void
test_names (void)
{
  g_assert_true (cli_annotation_is_name ("_a1"));
  g_assert_true (cli_annotation_is_name ("\xc3\xa9"));
  g_assert_false (cli_annotation_is_name (""));
  g_assert_false (cli_annotation_is_name ("1a"));
  g_assert_false (cli_annotation_is_name ("a b"));
  g_assert_false (cli_annotation_is_name ("a.b"));
  g_assert_false (cli_annotation_is_name ("def"));
}

static void
test_literals (void)
{
  const char * const good[] = { "None", "True", "-1", "1.5", "1e-05", "'a'", "\"it's\"", "''" };
  const char * const bad[] = {
    "", "-", "inf", "<object>", "[]", "'a'b", "1 2", "'a' 'b", "0777", "1j",
  };

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (cli_annotation_is_literal (good[i]));
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (cli_annotation_is_literal (bad[i]));
}

int
main (int   argc,
      char *argv[])
{
  test_util_init (&argc, &argv);
  test_util_add_func ("/cli/annotation/read", test_read);
  test_util_add_func ("/cli/annotation/refuse", test_refuse);
  test_util_add_func ("/cli/annotation/names", test_names);
  test_util_add_func ("/cli/annotation/literals", test_literals);
  return g_test_run ();
}
