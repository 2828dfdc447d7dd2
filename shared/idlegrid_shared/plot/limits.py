"""Every limit of a plot. Answers come from strangers' programs, so everything has one."""

TABLE_BYTES_MAX = 64 * 1024 * 1024
JSON_BYTES_MAX = 4 * 1024 * 1024
ROWS_MAX = 1_000_000
COLUMNS_MAX = 1_000
LINE_CHARS_MAX = 65_536  # of one line of a table

LINES_MAX = 3
LEVELS_MAX = 4
MARKS_MAX = 12
NAME_CHARS_MAX = 255  # names of files, columns and paths
TEXT_CHARS_MAX = 120  # title and labels, as declared and as drawn
VALUE_CHARS_MAX = 40  # a text of the answer inside a label
PATH_STEPS_MAX = 16

#: Larger numbers are gaps: sums and differences of axis ends must stay finite.
NUMBER_MAX = 1e150
#: Smaller numbers cannot stand on a logarithmic axis.
LOG_MIN = 1e-150

POINTS_MAX = 2_000  # drawn, of one line
