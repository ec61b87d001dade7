// Asks a running pim-authz a question, a batch and a list, sends a bad
// request, and gives up at a deadline: `go run . [ADDRESS]`.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	authz "pim-authz/examples/go/gen/pim/authz/v1"
)

func main() {
	channel := must(grpc.NewClient(append(os.Args, "127.0.0.1:50051")[1], grpc.WithTransportCredentials(insecure.NewCredentials())))
	client := authz.NewAuthorizationServiceClient(channel)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	mary, product := &authz.Subject{Type: "user", Id: "mary"}, &authz.Resource{Type: "product", Id: "SS-SP32FWB"}

	answer := must(client.Check(ctx, &authz.CheckRequest{Subject: mary, Action: "edit", Resource: product}))
	fmt.Println("check: edit", answer.Allowed, answer.EditMode)

	items := []*authz.CheckItem{{Action: "view"}, {Action: "own"}, {Action: "fly"}}
	batch := must(client.BatchCheck(ctx, &authz.BatchCheckRequest{Subject: mary, Resource: product, Items: items}))
	for i, result := range batch.Results { // an item has a decision, or an error of its own
		fmt.Println("batch:", items[i].Action, result.GetDecision().GetAllowed(), result.GetError().GetMessage())
	}

	stream := must(client.StreamAllowed(ctx, &authz.StreamAllowedRequest{Subject: mary, Action: "edit", ResourceType: "product"}))
	for end := (*authz.StreamEnd)(nil); end == nil; { // a list without its end is not whole
		part := must(stream.Recv())
		for _, resource := range part.GetBatch().GetResources() {
			fmt.Println("stream:", resource.Id)
		}
		end = part.GetEnd()
	}

	_, err := client.Check(ctx, &authz.CheckRequest{Subject: mary, Action: "fly", Resource: product})
	for _, detail := range status.Convert(err).Details() {
		if bad, ok := detail.(*errdetails.BadRequest); ok {
			fmt.Println("bad request:", bad.FieldViolations[0].Field, "-", bad.FieldViolations[0].Description)
		}
	}

	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err = client.Check(short, &authz.CheckRequest{Subject: mary, Action: "edit", Resource: product, MinimumRevision: 1_000_000})
	fmt.Println("deadline:", status.Code(err))
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
