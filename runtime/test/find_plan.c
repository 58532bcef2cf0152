/* Which plan of a bundle is this device's: find_plan BUNDLE ONNX FLAVOUR RELEASE CUDA GPU CAPABILITY L4T_FILE. Says the
 * hash of the ONNX, the release of Jetson Linux, and the plan and its size; or what is wrong, and exits 1. */
#include <stdio.h>
#include <string.h> /* snprintf */

#include "plan.h"

int main(int count, char **arguments)
{
    struct plan_key key = {0};
    struct plan plan;
    struct text error = {""};
    if (count != 9 || sscanf(arguments[4], "%d.%d.%d", &key.release[0], &key.release[1], &key.release[2]) != 3) {
        fprintf(stderr, "find_plan BUNDLE ONNX FLAVOUR RELEASE CUDA GPU CAPABILITY L4T_FILE\n");
        return 2;
    }
    key.flavour = arguments[3];
    snprintf(key.cuda, sizeof key.cuda, "%s", arguments[5]);
    snprintf(key.gpu, sizeof key.gpu, "%s", arguments[6]);
    snprintf(key.compute_capability, sizeof key.compute_capability, "%s", arguments[7]);
    dae_plan_l4t(arguments[8], key.l4t);
    int status = dae_plan_model_digest(arguments[2], key.onnx_sha256, &error);
    if (status == DAE_OK) status = dae_plan_find(arguments[1], &key, &plan, &error);
    printf("%s\n%s\n", key.onnx_sha256, key.l4t);
    if (status == DAE_OK) printf("%s\n%zu\n", plan.path, plan.size);
    else printf("%d\n%s\n", status, error.line);
    if (status == DAE_OK) dae_plan_free(&plan);
    return status != DAE_OK;
}
