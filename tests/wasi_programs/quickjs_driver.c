/* Run a JavaScript file and print the text that it evaluates to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "quickjs.h"

int main(int argc, char **argv) {
    FILE *file = fopen(argv[1], "rb");
    static char text[1 << 20];
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    JSRuntime *runtime = JS_NewRuntime();
    JSContext *context = JS_NewContext(runtime);
    JSValue value = JS_Eval(context, text, size, argv[1], JS_EVAL_TYPE_GLOBAL);
    int failed = JS_IsException(value);
    if (failed) value = JS_GetException(context);
    const char *said = JS_ToCString(context, value);
    printf("%s\n", said ? said : "nothing");
    JS_FreeCString(context, said);
    JS_FreeValue(context, value);
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
    return failed;
}
