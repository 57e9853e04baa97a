/* Read golden vectors in C, and check a C implementation by them. Under 100 lines, no library but C's own.

     refsnn vectors export --c-header forward-010 > vector.h
     cc -std=c99 -I. check_vector.c -o check_vector -lm
     ./check_vector [FOLDER]          FOLDER: the folder of the same case, with x.npy, W0.npy, W1.npy, V0.npy, S0.npy, V1.npy

   The run is that of SPEC E1-E4: one spiking layer without recurrence and a readout, all neurons of a layer alike. The header holds the arrays
   and the bounds. With FOLDER the same arrays are also read from the .npy files, with fread: the payload of an array begins where case.json says,
   at payload_offset, which is 128 for all arrays of few axes. Exit code 0: all within their bounds. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "vector.h"

static double W0_now(long j, long i) { return W0[j * W0_shape[1] + i]; }
static double W1_now(long j, long i) { return W1[j * W1_shape[1] + i]; }

/* One layer: S_below (T, B, M) in, V and, for a spiking layer, S (T, B, N) out. E1-E4 */
static void run(const double *S_below, long T, long B, long M, long N, double (*W)(long, long), int l, double *V, double *S)
{
    double alpha = exp(-dt[0] / tau_syn[l]), beta = exp(-dt[0] / tau_mem[l]);
    for (long b = 0; b < B; b++)
        for (long i = 0; i < N; i++) {
            double I = 0, v = 0, s = 0;
            for (long t = 0; t < T; t++) {
                long at = (t * B + b) * N + i;
                if (t > 0) {
                    double drive = 0;
                    for (long j = 0; j < M; j++)
                        drive += S_below[((t - 1) * B + b) * M + j] * W(j, i);
                    I = alpha * I + drive;                          /* E1 */
                    v = beta * v + I - threshold[l] * s;            /* E2 */
                    s = S != NULL && v > threshold[l];              /* E3: strictly above */
                }
                V[at] = v;
                if (S != NULL) S[at] = s;
            }
        }
}

/* Is the largest error, over the largest value, within the bound? An exact output has the bound 0. */
static int within(const char *name, const double *got, const double *wanted, long count, double bound)
{
    double worst = 0, largest = 0;
    for (long n = 0; n < count; n++) {
        double off = fabs(got[n] - wanted[n]);
        if (!(off <= worst)) worst = off;                           /* NaN is not within anything */
        if (fabs(wanted[n]) > largest) largest = fabs(wanted[n]);
    }
    int good = worst <= bound * largest;
    printf("%s %s: %g of %g allowed\n", name, good ? "agrees" : "DIFFERS", largest > 0 ? worst / largest : worst, bound);
    return good;
}

/* Are the bytes of an .npy file those of the header's array? */
static int same_file(const char *folder, const char *name, const double *array, long count)
{
    char path[1000];
    double *content = malloc(count * sizeof(double) + 1);
    snprintf(path, sizeof path, "%s/%s.npy", folder, name);
    FILE *file = fopen(path, "rb");
    int good = file != NULL && fseek(file, 128, SEEK_SET) == 0 && fread(content, sizeof(double), count, file) == (size_t)count
               && fgetc(file) == EOF && memcmp(content, array, count * sizeof(double)) == 0;
    printf("%s %s\n", path, good ? "holds the same bytes" : "DIFFERS");
    if (file != NULL) fclose(file);
    free(content);
    return good;
}

int main(int count, char **arguments)
{
    long T = x_shape[0], B = x_shape[1], M = x_shape[2], N = W0_shape[1], K = W1_shape[1];
    double *V0_now = malloc(T * B * N * sizeof(double)), *S0_now = malloc(T * B * N * sizeof(double)), *V1_now = malloc(T * B * K * sizeof(double));
    run(x, T, B, M, N, W0_now, 0, V0_now, S0_now);
    run(S0_now, T, B, N, K, W1_now, 1, V1_now, NULL);
    int good = within("V0", V0_now, V0, T * B * N, V0_float64) & within("S0", S0_now, S0, T * B * N, S0_float64)
               & within("V1", V1_now, V1, T * B * K, V1_float64);
    if (count > 1)
        good &= same_file(arguments[1], "x", x, T * B * M) & same_file(arguments[1], "W0", W0, M * N) & same_file(arguments[1], "W1", W1, N * K)
                & same_file(arguments[1], "V0", V0, T * B * N) & same_file(arguments[1], "S0", S0, T * B * N)
                & same_file(arguments[1], "V1", V1, T * B * K);
    printf("%s: %s\n", CASE_ID, good ? "all right" : "WRONG");
    free(V0_now), free(S0_now), free(V1_now);
    return !good;
}
