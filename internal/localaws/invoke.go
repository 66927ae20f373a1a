package localaws

import (
	"context"
	"net/http"
	"strings"
)

// Serve lets the calls of Invoke reach a function that runs here, by its name, in place of one of that name before. All
// others are moto's, which would need Docker for one that exists.
func (r *Recorder) Serve(f *Function) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.functions[f.config.Name] = f
}

// invoked is the function that a call invokes; nil where it is another call, or moto's to answer.
func (r *Recorder) invoked(call request) *Function {
	if call.Service != "lambda" || call.Operation != "Invoke" {
		return nil
	}
	name := call.PathParameters["FunctionName"]
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.functions[name[strings.LastIndex(name, ":")+1:]]
}

// invoke answers as AWS does a synchronous invocation.
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
func invoke(ctx context.Context, f *Function, call request) (answer, error) {
	result, err := f.Invoke(ctx, call.Body)
	if err != nil {
		return answer{}, err
	}
	header := http.Header{"Content-Type": {"application/json"}, "X-Amz-Executed-Version": {"$LATEST"}}
	if result.FunctionError != "" {
		header.Set("X-Amz-Function-Error", result.FunctionError)
	}
	return answer{http.StatusOK, header, result.Payload}.withRequestID(call), nil
}
