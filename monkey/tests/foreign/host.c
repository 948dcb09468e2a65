/* A program that knows nothing of greenloop, and loads a library with it. */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **words) {
    char text[4096];
    void *library = count == 2 ? dlopen(words[1], RTLD_NOW) : NULL;
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    int (*plugin)(char *, size_t) = (int (*)(char *, size_t))dlsym(library, "greenloop_plugin");
    int failed = plugin(text, sizeof text);
    puts(text);
    return failed;
}
